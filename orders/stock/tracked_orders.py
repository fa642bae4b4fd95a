"""Stores orders of tracked products: locks the products, plans, writes, all in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import psycopg

from orders.domain import events
from orders.domain.clock import DatabaseClock
from orders.domain.ids import uuid7
from orders.domain.order import CREATED, PENDING_RESTOCK, Accepted, NewOrder
from orders.stock import allocation
from orders.stock.allocation import Decision, Stock
from orders.store import insert_orders
from orders.store.insert_orders import PlannedOrder
from orders.store.order_idempotency import Outcome, RequestKey, answers_after_commit, first_answers, replay
from orders.store.queries import QUERIES
from runtime.postgres import arrays
from runtime.postgres.transactions import committing

Connection = psycopg.AsyncConnection[Any]
Insert = Callable[[Connection, Sequence[PlannedOrder]], Awaitable[list[Outcome]]]


class NotFresh(Exception):
    """Another process stored one of the requests while this one planned; plan again."""


async def lock_stocks(connection: Connection, product_ids: Sequence[str]) -> dict[str, Stock]:
    """Lock products, in the order that everybody does, and return their stock."""
    cursor = await connection.execute(QUERIES.lock_products, {"product_ids": arrays.quoted(sorted(set(product_ids)))})
    return {product_id: Stock(*columns) async for product_id, *columns in cursor}


async def write_stocks(connection: Connection, stocks: Mapping[str, Stock]) -> None:
    """Write what a plan changed, one row a product."""
    changed = {name: s for name, s in stocks.items() if s.on_hand_change or s.awaited_change or s.hold_changed}
    if changed:
        parameters = {
            "product_ids": arrays.quoted(changed),
            "stock_changes": arrays.plain([s.on_hand_change for s in changed.values()]),
            "awaited_changes": arrays.plain([s.awaited_change for s in changed.values()]),
            "arrivals": arrays.plain([s.arrivals for s in changed.values()]),
            "arrived_us": arrays.plain([s.arrived_us for s in changed.values()]),
            "holders": arrays.plain([s.holder for s in changed.values()]),
            "held": arrays.plain([s.held for s in changed.values()]),
            "held_until_us": arrays.plain([s.held_until_us for s in changed.values()]),
        }
        await connection.execute(QUERIES.change_stocks, parameters)


async def store_tracked(
    connection: Connection,
    orders: Sequence[NewOrder],
    clock: DatabaseClock,
    insert: Insert,
) -> list[Outcome]:
    """Store orders in one transaction and return what became of each. Raises NotFresh."""
    async with committing(connection):
        stocks = await lock_stocks(connection, [product for order in orders for product in order.needs])
        seen: set[RequestKey] = set(await first_answers(connection, orders))
        fresh = [position for position, order in enumerate(orders) if is_first(order, seen)]
        now_us = clock.now_us(len(fresh))
        decisions = allocation.allocate(stocks, [orders[position].needs for position in fresh], now_us)
        batch = plan_orders([orders[position] for position in fresh], decisions, now_us)
        outcomes = await insert(connection, batch) if batch else []
        if any(not isinstance(outcome, Accepted) or outcome.replayed for outcome in outcomes):
            raise NotFresh
        await write_stocks(connection, stocks)
        await note_waiting(connection, batch, decisions)
    settled = dict(zip(fresh, outcomes, strict=True))
    answers = await answers_after_commit(connection, orders) if len(settled) < len(orders) else {}
    return [
        settled.get(position) or replay(order, answers.get((order.customer_id, order.request_id)))
        for position, order in enumerate(orders)
    ]


def is_first(order: NewOrder, seen: set[RequestKey]) -> bool:
    """Tell whether an order's request is new, here too, and remember it."""
    key = (order.customer_id, order.request_id)
    if not order.request_id:
        return True
    if key in seen:
        return False
    seen.add(key)
    return True


def plan_orders(orders: Sequence[NewOrder], decisions: Sequence[Decision], now_us: int) -> list[PlannedOrder]:
    """Give each order the status that was decided."""
    return [
        insert_orders.planned(
            order,
            uuid7(now_us + n),
            uuid7(now_us + n),
            CREATED if decision.allocated else PENDING_RESTOCK,
            now_us + n,
        )
        for n, (order, decision) in enumerate(zip(orders, decisions, strict=True))
    ]


async def note_waiting(connection: Connection, batch: Sequence[PlannedOrder], decisions: Sequence[Decision]) -> None:
    """Note what orders that are short wait for, and tell the stock topic."""
    waiting = [
        (product, p.order_id, quantity)
        for p, decision in zip(batch, decisions, strict=True)
        if not decision.allocated
        for product, quantity in p.order.needs.items()
    ]
    if not waiting:
        return
    products, order_ids, quantities = zip(*waiting, strict=True)
    parameters = {
        "product_ids": arrays.quoted(products),
        "order_ids": arrays.plain(order_ids),
        "quantities": arrays.plain(quantities),
    }
    await connection.execute(QUERIES.insert_waiting, parameters)
    requested = [
        events.restock_requested(uuid7(p.created_us), product, p.order_id, missing, p.created_us, p.order.traceparent)
        for p, decision in zip(batch, decisions, strict=True)
        for product, missing in decision.missing.items()
    ]
    await connection.execute(QUERIES.insert_events, insert_orders.event_parameters(requested))
