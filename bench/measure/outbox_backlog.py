"""Fills the outbox with events, so that a stage can be measured alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
from psycopg.conninfo import make_conninfo

from bench.loads import bodies
from bench.subjects.pipeline import SQL
from orders.api import validation
from orders.domain import events
from orders.domain.ids import uuid7
from orders.domain.order import CREATED

ORDER_ID = "00000000-0000-7000-8000-000000000001"
EVENT_ID = "00000000-0000-7000-8000-000000000002"
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-00"


def fill(admin_dsn: str, count: int) -> None:
    """Insert a number of ORDER_CREATED events into the outbox."""
    with psycopg.connect(make_conninfo(admin_dsn, dbname="orders"), autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(SQL.copy_outbox) as copy:
            for line in lines(count):
                copy.write(line)
        connection.execute("ANALYZE event_outbox")
        connection.execute(SQL.checkpoint)


def lines(count: int) -> Iterator[str]:
    """Yield rows of the outbox for COPY; one event is encoded, then copied with other ids, which is fast."""
    order = validation.new_order(bodies.order(), TRACEPARENT, None)
    now_us = time.time_ns() // 1000
    event = events.order_created(EVENT_ID, ORDER_ID, order, CREATED, now_us)
    payload = event.payload.hex()
    places = ORDER_ID.encode().hex(), EVENT_ID.encode().hex()
    occurred = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(now_us / 1e6))
    for n in range(count):
        order_id, event_id = uuid7(now_us + n), uuid7(now_us + n)
        own = payload.replace(places[0], order_id.encode().hex()).replace(places[1], event_id.encode().hex())
        shard = events.order_shard(order_id)
        yield (
            f"{shard}\t1\t{order.units}\t{order.total_minor}\t{occurred}\t{event_id}\t{order_id}\t{TRACEPARENT}\t"
            f"\\\\x{own}\n"
        )
