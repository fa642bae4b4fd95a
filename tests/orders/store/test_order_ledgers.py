"""The ledgers of the orders database: whatever happens to orders and events, they are what the rows add up to."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import psycopg
import pytest
from auditing import TESTER
from ordermesh.internal.v1 import ledger_pb2
from ordermesh.orders.v1 import orders_pb2
from orders_world import World

from orders.api.order_ledger_service import CLOSED_AFTER_SECONDS
from orders.outbox import dead_events
from orders.store.queries import LEDGER
from runtime.dead_letter_messages import DISCARD
from runtime.postgres.connections import connect_async

EVER = {"start": -62_135_596_800, "end": 2**48 // 1000}
# From the rows alone, with other means than the triggers have.
EVENTS_BY_ROWS = """
    SELECT floor(extract(epoch FROM date_trunc({field}, occur_time, 'UTC')))::bigint, event_type, count(*),
        sum(total_minor)::bigint, sum(units)::bigint, bit_xor(hashtextextended(event_id::text, 0))
    FROM event_outbox WHERE status = 'SENT' GROUP BY 1, 2 ORDER BY 1, 2
"""
ORDERS_BY_ROWS = """
    SELECT floor(extract(epoch FROM date_trunc({field}, created_at, 'UTC')))::bigint,
        array_position(ARRAY['CREATED', 'PENDING_RESTOCK', 'PAID', 'SHIPPED', 'CANCELLED'], status::text),
        count(*), sum(total_minor)::bigint, bit_xor(hashtextextended(order_id::text, 0))
    FROM orders GROUP BY 1, 2 ORDER BY 1, 2
"""
PRODUCTS_BY_ROWS = """
    SELECT product_id, sum(quantity)::bigint, sum(quantity * price_minor)::bigint FROM order_item GROUP BY 1 ORDER BY 1
"""
PERIODS = {"MINUTE": "'minute'", "DAY": "'day'"}
NOON = 1_577_880_000


def agree(owner: psycopg.Connection) -> None:
    """Check each ledger against the rows."""
    for period, field in PERIODS.items():
        asked: dict[str, Any] = {"period": period, **EVER}
        wanted = owner.execute(EVENTS_BY_ROWS.format(field=field)).fetchall()  # type: ignore[arg-type]
        assert owner.execute(LEDGER.event_sums, asked).fetchall() == wanted
        wanted = owner.execute(ORDERS_BY_ROWS.format(field=field)).fetchall()  # type: ignore[arg-type]
        assert owner.execute(LEDGER.order_sums, asked).fetchall() == wanted
    sums = owner.execute(LEDGER.product_sums, {"order_ids": []}).fetchall()
    assert [row[:3] for row in sums] == owner.execute(PRODUCTS_BY_ROWS).fetchall()  # type: ignore[arg-type]


async def change(world: World, order_id: str, method: str) -> None:
    """Change an order if its status allows it."""
    call = getattr(world.service, method)(getattr(orders_pb2, f"{method}Request")(order_id=order_id))
    assert await call.code() in (grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION)


@pytest.mark.parametrize("seed", range(3))
async def test_the_ledgers_add_up_to_the_rows_after_any_changes(
    world: World, owner: psycopg.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    await world.tracked("scarce", 5)
    made: list[str] = []
    for _ in range(6):
        created = [
            world.create((dice.choice(["p1", "p2", "scarce"]), dice.randint(1, 9), dice.randint(1, 99)))
            for _ in range(10)
        ]
        made += [one.order_id for one in await asyncio.gather(*created)]
        methods = ("CompletePayment", "ShipOrder", "CancelOrder")
        await asyncio.gather(*(change(world, dice.choice(made), dice.choice(methods)) for _ in range(10)))
        await world.restock("scarce", dice.randint(1, 9))
        owner.execute("UPDATE event_outbox SET status = 'SENT' WHERE random() < 0.7")
        if dice.random() < 0.5:
            owner.execute("SELECT fold_ledgers()")
        agree(owner)
    owner.execute("UPDATE orders SET total_minor = total_minor + 1 WHERE order_id = %s", (made[0],))
    owner.execute("DELETE FROM orders WHERE order_id NOT IN (SELECT order_id FROM backorder) AND status = 'CANCELLED'")
    agree(owner)


@pytest.mark.parametrize("end", [NOON, NOON + 60, NOON + 120, NOON + 43_200])
async def test_a_day_has_the_sums_up_to_the_end_that_is_asked_for(
    world: World, owner: psycopg.Connection, end: int
) -> None:
    """The day after and pending events are none of them."""
    owner.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload, status)"
        " SELECT 0, 1, to_timestamp(%s + 60 * n), gen_random_uuid(), 'k', 't', '',"
        " CASE WHEN n %% 2 = 0 THEN 'SENT' ELSE 'NEW' END::outbox_status"
        " FROM unnest(ARRAY[-1, 0, 0, 1, 2, 720, 1441]) AS n",
        (NOON,),
    )
    wanted = owner.execute(
        "SELECT count(*), bit_xor(id_digest(event_id)) FROM event_outbox"
        " WHERE status = 'SENT' AND occur_time < to_timestamp(%s) AND occur_time >= '2020-01-01Z'",
        (end,),
    ).fetchall()
    asked = {"period": "DAY", "start": NOON - 43_200, "end": end}
    rows = owner.execute(LEDGER.event_sums, asked).fetchall()
    assert [(row[2], row[5]) for row in rows] == [one for one in wanted if one[0]]
    kept = owner.execute(LEDGER.pending_events, {"limit": 100, "end": end}).fetchone() or ()
    assert kept[0] == 1 + (end > NOON + 60)


async def test_a_closed_minute_is_over_for_some_seconds(world: World) -> None:
    order = await world.create(("p1", 1, 1))
    request = ledger_pb2.StreamOrderLedgerRequest(period="DAY", closed_minutes=True)
    parts = [part async for part in world.ledger.StreamOrderLedger(request)]
    end = parts[0].end_time.seconds
    assert end % 60 == 0
    now = order.create_time.seconds
    assert now - 60 - CLOSED_AFTER_SECONDS - 60 < end <= now - CLOSED_AFTER_SECONDS + 60
    assert [one for part in parts for one in part.orders if one.start_time.seconds >= end] == []


async def test_a_rejected_request_leaves_nothing_in_the_ledgers(world: World, owner: psycopg.Connection) -> None:
    await world.create(("p1", 1, 1), request_id="once")
    await world.create(("p1", 1, 1), request_id="once")
    with owner.transaction(force_rollback=True):
        owner.execute("UPDATE orders SET status = 'PAID'")
    owner.execute("UPDATE event_outbox SET status = 'SENT'")
    agree(owner)


async def test_orders_that_are_truncated_are_taken_out_of_the_ledgers(world: World, owner: psycopg.Connection) -> None:
    await world.create(("p1", 1, 1), ("p2", 3, 4))
    with owner.transaction(force_rollback=True):
        owner.execute("TRUNCATE orders, backorder")
        assert owner.execute(LEDGER.order_sums, {"period": "DAY", **EVER}).fetchall() == []
        assert {row[1:3] for row in owner.execute(LEDGER.product_sums, {"order_ids": []})} == {(0, 0)}
    owner.execute("UPDATE event_outbox SET status = 'SENT'")
    agree(owner)


async def test_a_discarded_event_is_none_of_the_published_ones_for_ever(
    world: World, owner: psycopg.Connection, orders_dsn: str
) -> None:
    kept = await world.create(("p1", 2, 1))
    lost = await world.create(("p1", 5, 1), ("p2", 1, 1))
    owner.execute("UPDATE event_outbox SET status = 'SENT' WHERE key = %s", (kept.order_id,))
    owner.execute("UPDATE event_outbox SET status = 'DEAD' WHERE key = %s", (lost.order_id,))
    # Of a product whose id looks like that of an order, and of a key that no order has.
    owner.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload)"
        " VALUES (0, 17, now(), gen_random_uuid(), %s, 't', ''), (0, 3, now(), gen_random_uuid(), 'none', 't', '')",
        (kept.order_id,),
    )
    numbers = [row[0] for row in owner.execute("SELECT id FROM event_outbox WHERE status = 'DEAD'")]
    for discarded in (False, True, True):
        agree(owner)
        products = owner.execute(LEDGER.product_sums, {"order_ids": []}).fetchall()
        assert products == [("p1", 7, 700, 5, 500), ("p2", 1, 100, 1, 100)]
        head = await anext(aiter(world.ledger.StreamOrderLedger(ledger_pb2.StreamOrderLedgerRequest(period="DAY"))))
        assert (head.dead, head.discarded) == ((0, 1) if discarded else (1, 0))
        states = await states_of(world, lost.create_time.seconds)
        assert {one.order_id.hex(): one.has_unpublished_events for one in states} == {
            kept.order_id.replace("-", ""): False,
            lost.order_id.replace("-", ""): True,
        }
        if not discarded:
            async with await connect_async(orders_dsn, "tests") as connection:
                assert await dead_events.change(connection, numbers, DISCARD, TESTER) == set(numbers)
        else:
            # As retention does it one day.
            owner.execute("SELECT fold_ledgers()")


async def states_of(world: World, second: int) -> list[ledger_pb2.OrderState]:
    request = ledger_pb2.StreamOrderStatesRequest()
    request.minute_start_time.seconds = second - second % 60
    return [one async for part in world.ledger.StreamOrderStates(request) for one in part.orders]


async def test_orders_of_days_without_a_partition_of_their_own_are_in_the_ledger_after_these_are_dropped(
    owner: psycopg.Connection, orders_dsn: str
) -> None:
    """As after a clock that stood on another day."""
    owner.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload, status, units)"
        " SELECT 0, 1, '2020-01-01 12:00Z', gen_random_uuid(), 'k', 't', '', 'SENT', 2 FROM generate_series(1, 3)"
    )
    agree(owner)
    before = owner.execute(LEDGER.event_sums, {"period": "MINUTE", **EVER}).fetchall()
    with psycopg.connect(orders_dsn, autocommit=True) as connection:
        while connection.execute("SELECT maintain_partition('event_outbox', 2, 7)").fetchone() != (None,):
            pass
    assert owner.execute("SELECT count(*) FROM event_outbox").fetchone() == (0,)
    assert owner.execute(LEDGER.event_sums, {"period": "MINUTE", **EVER}).fetchall() == before
    coverage_start, ids_start = owner.execute(LEDGER.coverage).fetchone() or (None, None)
    assert coverage_start == 0
    assert ids_start > 0
