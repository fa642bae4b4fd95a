"""Corrects what is counted while no worker counts: removes events, and sets metrics to what the ledgers give."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from processor.counting.deltas import TOP_PRODUCTS_REVENUE, TOP_PRODUCTS_UNITS, MetricKey
from processor.repair.counted import SQL
from runtime.audit.entries import Action, Origin, record
from runtime.postgres.connection_types import Connection

# Units and revenue in minor units of the counted orders, by product.
ProductSales = Mapping[str, tuple[int, int]]


class Change(NamedTuple):
    """A metric with its value before and after."""

    key: MetricKey
    before: int
    after: int


@contextmanager
def frozen_counting(connection: Connection) -> Iterator[None]:
    """Open a transaction during which no worker counts. Workers wait, so it must be short."""
    with connection.transaction():
        connection.execute(SQL.freeze_counting)
        yield


def remove(connection: Connection, event_ids: Sequence[str], *, for_good: bool) -> int:
    """Take events out of the counted ones and of the ledgers; `for_good`, they are not counted when read again."""
    removed = connection.execute(SQL.remove_events, {"event_ids": list(event_ids)}).fetchall()
    if for_good and removed:
        with connection.cursor() as cursor:
            cursor.executemany(SQL.remember_removed, removed)
    return len(removed)


def forget_removed(connection: Connection, event_ids: Collection[str]) -> None:
    """Let events be counted again that were removed for good: the orders database has them again."""
    connection.execute(SQL.forget_removed, {"event_ids": list(event_ids)})


def correct_metrics(connection: Connection, sales: ProductSales | None) -> list[Change]:
    """Set the metrics to what the ledgers give, those by product to `sales`, and return what changed.

    Counting must be frozen. Without `sales`, metrics by product are left as they are.
    """
    changes = [
        Change((name, dimension), actual, expected)
        for name, dimension, expected, actual in connection.execute(SQL.wrong_metrics)
    ]
    if sales is not None:
        changes += product_changes(connection, sales)
    parameters = {
        "names": [change.key[0] for change in changes],
        "dimensions": [change.key[1] for change in changes],
        "values": [change.after for change in changes],
    }
    connection.execute(SQL.set_metrics, parameters)
    connection.execute(SQL.delete_zeros, parameters)
    return changes


def product_changes(connection: Connection, sales: ProductSales) -> list[Change]:
    """Return the metrics by product that differ from the sales of the counted orders."""
    actual = {(name, product): value for name, product, value in connection.execute(SQL.product_metrics)}
    wanted: dict[MetricKey, int] = {}
    for product, (units, revenue_minor) in sales.items():
        wanted[TOP_PRODUCTS_UNITS, product] = units
        wanted[TOP_PRODUCTS_REVENUE, product] = revenue_minor
    keys = sorted({*actual, *wanted})
    return [
        Change(key, actual.get(key, 0), wanted.get(key, 0)) for key in keys if actual.get(key, 0) != wanted.get(key, 0)
    ]


def record_correction(
    connection: Connection, origin: Origin, target: str, removed: int, changes: Sequence[Change]
) -> None:
    """Append an entry of the audit log, in the transaction of the correction."""
    before = {"/".join(change.key): change.before for change in changes[:100]}
    after: dict[str, object] = {"/".join(change.key): change.after for change in changes[:100]}
    record(connection, origin, Action("repair", target, before, {"removed": removed, "metrics": len(changes), **after}))
