"""Known bugs of orders."""

import uuid
from typing import NoReturn

from orders.stock.backorder_release import BackorderReleases
from orders.stock.stock_levels import Stock
from orders.writes import status_transitions
from orders.writes.batch_commit import BatchStore
from orders.writes.group_commit import Writer
from runtime.postgres import transactions


def acknowledges_before_commit() -> None:
    """Orders are acknowledged when they are written, and committed with nine others."""
    store, batches = BatchStore.store_untracked, 0

    async def store_and_commit_later(self, connection, entries):
        nonlocal batches
        batches += 1
        if batches % 10 == 1:
            await connection.execute("BEGIN")
        outcomes = await store(self, connection, entries)
        if batches % 10 == 0:
            await connection.execute("COMMIT")
        return outcomes

    BatchStore.store_untracked = store_and_commit_later


def forgets_request_ids() -> None:
    """A request id is stored with something that is new each time."""
    submit = Writer.submit

    async def submit_as_new(self, orders):
        return await submit(self, [order._replace(request_id=uuid.uuid4().hex) for order in orders])

    Writer.submit = submit_as_new


def change_without_event() -> None:
    """One change of an order in ten has no event."""
    insert, changes = status_transitions.insert_events, 0

    async def insert_some(connection, events):
        nonlocal changes
        changes += 1
        if changes % 10:
            await insert(connection, events)

    status_transitions.insert_events = insert_some


def untrue_refusal() -> None:
    """A lost answer to a COMMIT is reported as if nothing had been changed."""

    async def raise_as_it_is(connection, error, *, commit_sent) -> NoReturn:
        await connection.close()
        raise error

    transactions.raise_classified = raise_as_it_is


def loses_restock_release() -> None:
    """Stock that arrives is given to nobody who waits for it."""

    async def release_nothing(self, connection, product_ids, stocks, traceparent):
        return 0

    BackorderReleases.release = release_nothing


def keeps_cancelled_stock() -> None:
    """Stock that comes back is not added."""
    Stock.add = lambda self, quantity, now_us: None
