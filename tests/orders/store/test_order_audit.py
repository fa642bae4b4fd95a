"""The audit of the orders database: its ledgers against the rows, whatever no trigger saw."""

from __future__ import annotations

import psycopg
import pytest
from ordermesh.internal.v1.ledger_pb2 import DAY, MINUTE, AuditedDay, LedgerDifference, StreamOrderAuditRequest
from orders_world import World

Difference = tuple[int, int, str, int, int]
EVENTS, ORDERS, PRODUCTS = LedgerDifference.EVENTS, LedgerDifference.ORDERS, LedgerDifference.PRODUCTS


@pytest.fixture
async def world(world: World, owner: psycopg.Connection) -> World:
    for number in range(1, 4):
        await world.create(("p1", number, 5), ("p2", 1, 1))
    # Of another day, before and after which there is nothing.
    owner.execute(
        "INSERT INTO orders SELECT 'ff000000-0000-7000-8000-000000000000', customer_id, status, 1, 7, created_at,"
        " updated_at, '', lines FROM orders LIMIT 1"
    )
    owner.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload)"
        " VALUES (0, 1, date_trunc('day', now(), 'UTC') + interval '86340 s', gen_random_uuid(), 'k', 't', '')"
    )
    return world


async def audit(world: World) -> list[AuditedDay]:
    return [part.day async for part in world.ledger.StreamOrderAudit(StreamOrderAuditRequest())]


async def found(world: World) -> set[Difference]:
    differences = [one for day in await audit(world) for one in day.differences]
    return {(one.ledger, one.period, one.product_id, one.expected, one.actual) for one in differences}


async def test_ledgers_of_the_triggers_are_what_the_rows_add_up_to(world: World, owner: psycopg.Connection) -> None:
    for _ in range(2):
        days = await audit(world)
        assert [one for day in days for one in day.differences] == []
        # The last message is that of the products.
        assert [(day.number, day.days) for day in days] == [(1, 2), (2, 2), (2, 2)]
        assert sum(day.rows for day in days) == 4 + 4
        owner.execute("SELECT fold_ledgers()")


WITHOUT_TRIGGERS = {
    "an order": ("DELETE FROM orders WHERE total_minor = 7", {(ORDERS, MINUTE, "", 0, 1)}, {"p1", "p2"}),
    "a status": ("UPDATE orders SET status = 'PAID' WHERE total_minor = 7", {(ORDERS, MINUTE, "", 1, 1)}, set()),
    "a total": ("UPDATE orders SET total_minor = 8 WHERE total_minor = 7", {(ORDERS, MINUTE, "", 1, 1)}, set()),
    "a price": ("UPDATE orders SET lines[1].price_minor = 9 WHERE total_minor = 7", set(), {"p1"}),
    "an event": ("DELETE FROM event_outbox WHERE key = 'k'", {(EVENTS, MINUTE, "", 0, 1)}, set()),
    "another event": (
        "UPDATE event_outbox SET event_id = gen_random_uuid() WHERE key = 'k'",
        {(EVENTS, MINUTE, "", 1, 1)},
        set(),
    ),
}


@pytest.mark.parametrize(("statement", "periods", "products"), WITHOUT_TRIGGERS.values(), ids=WITHOUT_TRIGGERS)
async def test_what_no_trigger_saw_is_found(
    world: World,
    owner: psycopg.Connection,
    statement: str,
    periods: set[tuple[int, int, str, int, int]],
    products: set[str],
) -> None:
    for table in ("orders", "event_outbox"):
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # type: ignore[arg-type]  # of this file
    try:
        owner.execute(statement)  # type: ignore[arg-type]  # of this file
        differences = await found(world)
    finally:
        for table in ("orders", "event_outbox"):
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")  # type: ignore[arg-type]  # of this file
    assert {one for one in differences if one[0] != PRODUCTS} == periods
    assert {one[2] for one in differences if one[0] == PRODUCTS} == products


async def test_a_day_that_differs_from_its_minutes_is_found(world: World, owner: psycopg.Connection) -> None:
    owner.execute("SELECT fold_ledgers()")
    owner.execute("UPDATE event_ledger SET events = events + 1 WHERE period = 'DAY'")
    assert await found(world) == {(EVENTS, DAY, "", 4, 5)}


async def test_events_that_retention_dropped_are_not_expected(world: World, owner: psycopg.Connection) -> None:
    owner.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload)"
        " VALUES (0, 1, '2020-01-01 12:00Z', gen_random_uuid(), 'k', 't', '')"
    )
    assert await found(world) == set()
    owner.execute("TRUNCATE event_outbox_default")
    assert await found(world) == set()
