"""A real PostgreSQL with an empty orders database for each test, a real broker, and services on them."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from created_topics import make_topics
from kafka_broker import config, fields, running_broker
from orders_world import World, open_world
from outbox_world import publishing
from seed import seeded_home
from waiting import await_true

from orders.outbox.publisher import Publisher
from orders.settings import PublisherSettings
from runtime.kafka import clients
from runtime.kafka.access import PUBLISHER
from runtime.kafka.clients import admin
from runtime.kafka.topics import EVENT_TOPICS
from stack.machine import ports
from stack.machine.state_folder import StateFolder
from stack.processes.runners import READY_SECONDS, running
from stack.servers.kafka.broker import Kafka
from stack.servers.postgres import Postgres

CATALOGUE = files("orders.migrations").joinpath("0002_catalogue.sql").read_text()
# This takes 50 ms; copying a template database takes most of a second.
AS_NEW = """
    TRUNCATE orders, product, backorder, order_request, idempotency_request, event_outbox, progress, discarded_event,
        event_ledger, event_ledger_change, order_ledger, order_ledger_change, product_ledger, product_ledger_change
        RESTART IDENTITY;
    UPDATE outbox_shard SET floor_id = 0, candidate_id = 0, candidate_xid = '0', has_dead = false
"""


@pytest.fixture(scope="session")
def state() -> Iterator[StateFolder]:
    with seeded_home() as state:
        yield state


@pytest.fixture(scope="session")
def postgres(state: StateFolder) -> Iterator[Postgres]:
    # On TCP as well, for proxies and for clients with several hosts.
    with running(Postgres.alone(state, listen=ports.LOOPBACK)) as made:
        yield made


@pytest.fixture
def owner_dsn(postgres: Postgres) -> str:
    """Return the DSN of who may lock tables, which services may not."""
    return dsn_of(postgres, "orders_owner")


@pytest.fixture
def owner(owner_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def orders_dsn(postgres: Postgres, owner: psycopg.Connection) -> str:
    owner.execute(AS_NEW)
    owner.execute(CATALOGUE)
    return dsn_of(postgres, "orders_app")


@pytest.fixture
def publisher_dsn(postgres: Postgres, orders_dsn: str) -> str:
    return dsn_of(postgres, "orders_publisher")


def dsn_of(postgres: Postgres, role: str) -> str:
    return postgres.dsn(role)


@pytest.fixture
def run_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="om-or-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def world(orders_dsn: str, run_folder: Path) -> AsyncIterator[World]:
    async with open_world(orders_dsn, run_folder / "orders.sock") as made:
        yield made


@pytest.fixture
def patient_writer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue calls behind a transaction however long it has run."""
    monkeypatch.setattr(world.writer, "_refuse_late", lambda *_: None)


@pytest.fixture(scope="session")
def broker(state: StateFolder) -> Iterator[Kafka]:
    with running_broker(state) as made:
        client = admin(made.client_settings(), "tests")
        make_topics(client, 12)
        await_true(lambda: led(client), "every partition has its leader")
        yield made


def led(client: AdminClient) -> bool:
    """Return whether every partition has a leader and answers."""
    places = [TopicPartition(topic, partition) for topic in EVENT_TOPICS for partition in range(12)]
    asked = client.list_offsets({place: OffsetSpec.latest() for place in places})
    return all(answer.exception() is None for answer in asked.values())


@pytest.fixture
def writer(orders_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(orders_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(publisher_dsn: str, broker: Kafka) -> PublisherSettings:
    return PublisherSettings(orders_dsn=publisher_dsn, publisher_shards=64, **fields(broker.client_settings(PUBLISHER)))


@pytest.fixture
def publisher(settings: PublisherSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    # Floors may move with every batch, not only once a second.
    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    with publishing(settings) as made:
        yield made


@pytest.fixture
def log(broker: Kafka) -> Iterator[Callable[[], list[Message]]]:
    """Return a function that returns all messages since now."""
    consumer = Consumer({**config(broker.client_settings()), "group.id": "tests"})
    client = clients.probe(broker.client_settings())
    places = [TopicPartition(topic, partition) for topic in EVENT_TOPICS for partition in range(12)]

    def ends() -> dict[TopicPartition, int]:
        while True:
            asked = client.list_offsets({place: OffsetSpec.latest() for place in places})
            try:
                return {place: answer.result().offset for place, answer in asked.items()}
            except KafkaException:
                # A broker that was stopped leads its partitions again, with a new epoch.
                client.list_topics(timeout=READY_SECONDS)

    begin = ends()
    consumer.assign([TopicPartition(place.topic, place.partition, end) for place, end in begin.items()])
    found: list[Message] = []

    def read() -> list[Message]:
        target = sum(ends().values()) - sum(begin.values())
        while len(found) < target:
            found.extend(consumer.consume(1000, timeout=0.1))
        return found

    yield read
    consumer.close()
