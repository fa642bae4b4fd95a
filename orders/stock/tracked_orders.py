"""Stores new orders of tracked products: locks stock, allocates, inserts orders and backorders in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from orders.domain.clock import DatabaseClock
from orders.domain.order import CREATED, PENDING_RESTOCK, Accepted, NewOrder, Outcome
from orders.stock import allocation
from orders.stock.allocation import Decision
from orders.stock.backorder_queue import insert_backorders
from orders.stock.stock_locks import lock_stocks, write_stocks
from orders.store.insert_orders import PlannedOrder, insert_orders, plan_order
from orders.store.order_idempotency import OrderKey, find_first_results, find_first_results_after_commit, replay
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.transactions import committing


class ConcurrentIdempotencyKey(Exception):
    """Another process stored an order with an idempotency key of this batch during the transaction. Try again."""


async def store_tracked_orders(
    connection: AsyncConnection, orders: Sequence[NewOrder], clock: DatabaseClock, process: str
) -> list[Outcome]:
    """Store orders and return the outcome of each; raises ConcurrentIdempotencyKey, and as insert_orders does."""
    async with committing(connection):
        stocks = await lock_stocks(connection, [product for order in orders for product in order.needs])
        seen: set[OrderKey] = set(await find_first_results(connection, orders))
        fresh = [position for position, order in enumerate(orders) if is_new_key(order, seen)]
        now_us = clock.now_us(len(fresh))
        decisions = allocation.allocate(stocks, [orders[position].needs for position in fresh], now_us)
        batch = plan_orders([orders[position] for position in fresh], decisions, now_us)
        outcomes = await insert_orders(connection, batch, process, clock) if batch else []
        if any(not isinstance(outcome, Accepted) or outcome.replayed for outcome in outcomes):
            raise ConcurrentIdempotencyKey
        await write_stocks(connection, stocks)
        await insert_backorders(connection, batch, decisions)
    stored = dict(zip(fresh, outcomes, strict=True))
    first = await find_first_results_after_commit(connection, orders) if len(stored) < len(orders) else {}
    return [
        stored.get(position) or replay(order, first.get((order.customer_id, order.request_id)))
        for position, order in enumerate(orders)
    ]


def is_new_key(order: NewOrder, seen: set[OrderKey]) -> bool:
    """Return whether the order's idempotency key is not among those seen, and add it; true without a key."""
    key = (order.customer_id, order.request_id)
    if not order.request_id:
        return True
    if key in seen:
        return False
    seen.add(key)
    return True


def plan_orders(orders: Sequence[NewOrder], decisions: Sequence[Decision], now_us: int) -> list[PlannedOrder]:
    """Return the orders as CREATED where stock was allocated, else as PENDING_RESTOCK."""
    return [
        plan_order(order, CREATED if decision.allocated else PENDING_RESTOCK, now_us + n)
        for n, (order, decision) in enumerate(zip(orders, decisions, strict=True))
    ]
