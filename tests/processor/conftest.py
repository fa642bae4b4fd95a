"""A real PostgreSQL whose analytics database is as new for each test, and a real broker whose topics are then empty."""

from collections.abc import Iterator

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from processor_servers import Analytics, ends, running_broker
from processor_world import World, await_done
from seed import seeded_home
from waiting import await_true

from runtime.kafka.clients import admin
from stack.machine.state_folder import StateFolder
from stack.processes.runners import running
from stack.servers.kafka.broker import Kafka
from stack.servers.postgres import Postgres


@pytest.fixture(scope="session")
def state() -> Iterator[StateFolder]:
    with seeded_home() as state:
        yield state


@pytest.fixture(scope="session")
def analytics_server(state: StateFolder) -> Iterator[Analytics]:
    with running(Postgres.alone(state)) as server:
        roles = [server.dsn(f"analytics_{role}") for role in ("owner", "worker", "reader")]
        yield Analytics(psycopg.conninfo.make_conninfo(server.admin_dsn, dbname="analytics"), *roles)


@pytest.fixture
def analytics(analytics_server: Analytics) -> Analytics:
    analytics_server.clear()
    return analytics_server


@pytest.fixture(scope="session")
def broker(state: StateFolder) -> Iterator[Kafka]:
    yield from running_broker(state)


def empty(client: AdminClient) -> None:
    """Delete the records of the topics of events."""
    places = [TopicPartition(at.topic, at.partition, end) for at, end in ends(client).items() if end]
    for done in client.delete_records(places).values() if places else ():
        done.result()


@pytest.fixture
def world(analytics: Analytics, broker: Kafka) -> Iterator[World]:
    client = admin(broker.client_settings(), "tests")
    # On a slow machine a broker may be fenced for a while, and leads nothing then.
    await_true(lambda: None not in ends(client).values(), "every partition has its leader")
    await_done(lambda: empty(client))
    made = World(analytics.worker, broker, lambda: ends(client))
    yield made
    made.close()
