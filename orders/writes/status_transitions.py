"""Changes the status of orders on request of a client: cancel, complete payment, ship."""

from __future__ import annotations

from dataclasses import replace

from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain.clock import DatabaseClock
from orders.domain.order import CANCELLED, PENDING_RESTOCK, Needs, Status, StoredOrder
from orders.domain.transitions import transition_event
from orders.stock.backorder_queue import delete_backorders
from orders.stock.backorder_release import BackorderReleases
from orders.stock.product_cache import ProductCache
from orders.stock.stock_locks import write_stocks
from orders.store.insert_events import insert_events
from orders.store.order_rows import fetch_order
from orders.store.queries import QUERIES
from runtime.audit import entries
from runtime.audit.entries import Action, Origin
from runtime.postgres.connection_types import AsyncConnection


class StatusTransitions:
    """Changes an order's status, with its event, in the caller's transaction; a cancellation returns its stock."""

    def __init__(self, products: ProductCache, clock: DatabaseClock, releases: BackorderReleases) -> None:
        self._products = products
        self._clock = clock
        self._releases = releases

    async def apply(
        self,
        connection: AsyncConnection,
        order_id: str,
        target: Status,
        traceparent: str,
        recorded: tuple[str, Origin] | None = None,
    ) -> StoredOrder:
        """Change the status of an order and return it; without effect when the order has that status.

        `recorded` is the name of the action and its origin, for the audit log. Raises NotFound and FailedPrecondition.
        """
        needs = await self._needs(connection, order_id) if target == CANCELLED else {}
        # Products are locked before the order, as everywhere.
        stocks = await self._releases.lock(connection, sorted(needs)) if needs else {}
        order = await fetch_order(connection, QUERIES.lock_order, order_id)
        if order.status == target:
            return order
        event = transition_event(order, target, self._clock.now_us(), traceparent)
        parameters = {"order_id": order_id, "status": Order.Status.Name(target), "occur_us": event.occur_us}
        if recorded is None:
            await connection.execute(QUERIES.update_status, parameters)
        else:
            entry = entries.parameters(recorded[1], transition_action(recorded[0], order, target))
            await connection.execute(QUERIES.update_status_on_record, parameters | entry)
        await insert_events(connection, [event])
        if needs:
            positions = await delete_backorders(connection, [order_id])
            for product, quantity in needs.items():
                if order.status == PENDING_RESTOCK:
                    stocks[product].cancel_backorder(quantity, positions)
                else:
                    stocks[product].add(quantity, event.occur_us)
            await self._releases.release(connection, sorted(needs), stocks, traceparent)
            await write_stocks(connection, stocks)
        return replace(order, status=target, sequence=order.sequence + 1, updated_at_us=event.occur_us)

    async def _needs(self, connection: AsyncConnection, order_id: str) -> Needs:
        """Return what an order needs of tracked products, which never changes."""
        order = await fetch_order(connection, QUERIES.get_order, order_id)
        return await self._products.needs(connection, order.lines)


def transition_action(name: str, order: StoredOrder, target: Status) -> Action:
    """Return the entry of the audit log for a transition of an order."""
    before = {"status": Order.Status.Name(order.status), "sequence": order.sequence}
    after = {"status": Order.Status.Name(target), "sequence": order.sequence + 1}
    return Action(name, order.order_id, before, after)
