"""Events in the outbox, publishers, and the published log."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from confluent_kafka import Message
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent

from orders.domain import events
from orders.domain.ids import uuid7
from orders.domain.order import CREATED, PAID, Line, NewOrder
from orders.outbox.publisher import Publisher
from orders.settings import PublisherSettings
from runtime.postgres.connections import connection_options

TIMES = count(1_800_000_000_000_000)
TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
INSERT = """
    INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload)
    VALUES (%s, %s, now(), %s, %s, %s, %s) RETURNING id
"""
UNSENT = "SELECT count(*) FROM event_outbox WHERE status IN ('NEW', 'FAILED')"


def event(order_id: str, sequence: int, bytes_more: int = 0) -> events.OutboxEvent:
    """Return an event of an order; a long customer id makes it larger by `bytes_more`."""
    event_id, occur_us = uuid7(next(TIMES)), next(TIMES)
    if sequence == 1:
        order = NewOrder("c" + "x" * bytes_more, (Line("p1", 1, 100),), 100, 1, "", TRACE)
        return events.order_created(event_id, order_id, order, CREATED, occur_us)
    kind, customer = EventType.PAYMENT_COMPLETED, "c" + "x" * bytes_more
    return events.order_status_changed(
        event_id, kind, order_id, customer, sequence, CREATED, PAID, 100, occur_us, TRACE
    )


def insert(connection: psycopg.Connection, *made: events.OutboxEvent) -> list[int]:
    ids = []
    for e in made:
        values = (e.shard, int(e.event_type), e.event_id, e.key, e.traceparent, e.payload)
        ids.append(connection.execute(INSERT, values).fetchone()[0])  # type: ignore[index]
    return ids


def status(connection: psycopg.Connection, *ids: int) -> list[str]:
    rows = connection.execute("SELECT id, status::text FROM event_outbox WHERE id = ANY(%s)", (list(ids),)).fetchall()
    return [dict(rows)[each] for each in ids]


@contextmanager
def publishing(settings: PublisherSettings, process: str = "publisher@test") -> Iterator[Publisher]:
    dsn = settings.orders_dsn.get_secret_value()
    with psycopg.connect(dsn, **connection_options("publisher-test")) as connection:
        publisher = Publisher(settings, connection, process)
        yield publisher
        publisher.close()


def sequences(messages: list[Message], order_id: str) -> list[int]:
    return [OrderEvent.FromString(m.value()).sequence for m in messages if m.key() == order_id.encode()]


def drain(publisher: Publisher) -> None:
    while publisher.run_once():
        pass


def order_ids(number: int) -> list[str]:
    return [uuid7(next(TIMES)) for _ in range(number)]


def in_shard(shard: int, number: int) -> list[str]:
    """Return ids of orders whose events share a shard."""
    return [order_id[:-2] + f"{shard:02x}" for order_id in order_ids(number)]


def floor(connection: psycopg.Connection, shard: int) -> int:
    return connection.execute("SELECT floor_id FROM outbox_shard WHERE shard = %s", (shard,)).fetchone()[0]  # type: ignore[index]
