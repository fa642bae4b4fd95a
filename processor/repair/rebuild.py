"""Rebuilds what is counted in tables beside the live ones, and exchanges them in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from processor.counting.deltas import TOP_PRODUCTS_REVENUE, TOP_PRODUCTS_UNITS
from processor.counting.transaction import event_parameters
from processor.events.event import Event
from processor.repair.correction import Change, ProductSales
from processor.repair.counted import SQL
from runtime.kafka.offsets import Partition
from runtime.postgres.connection_types import Connection

# Where an event that a rebuild did not read from Kafka was read.
UNKNOWN_PLACE = (-1, -1)
Row = tuple[Any, ...]


def begin(connection: Connection) -> None:
    """Make empty tables to rebuild into; those of a rebuild that was broken off are dropped."""
    connection.execute(SQL.begin_rebuild)


def drop(connection: Connection) -> None:
    """Drop the rebuilt tables."""
    connection.execute(SQL.drop_rebuilt)


def insert(connection: Connection, events: Sequence[Event], places: Sequence[tuple[int, int]]) -> set[str]:
    """Insert events, without those that repairs removed, and return the ids of the new ones."""
    if not events:
        return set()
    return {row[0] for row in connection.execute(SQL.insert_rebuilt, event_parameters(events, places))}


def counted_or_rebuilt(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return which of the events are counted, or inserted."""
    return {row[0] for row in connection.execute(SQL.counted_or_rebuilt, {"event_ids": list(event_ids)})}


def positions(connection: Connection) -> dict[Partition, tuple[Any, int]]:
    """Return the topic id and the position of each partition."""
    rows = connection.execute(SQL.positions)
    return {(topic, partition): (topic_id, offset) for topic, partition, topic_id, offset in rows}


def clear_sums(connection: Connection) -> None:
    """Remove the ledgers and metrics of an earlier attempt."""
    connection.execute(SQL.clear_rebuilt_sums)


def add_sums(connection: Connection, events: Iterable[Row], orders: Iterable[Row]) -> None:
    """Set the ledgers by minute: type, events, total_minor, units, digest; and status, orders, total_minor, digest."""
    minutes, kinds, counts, totals_minor, units, digests = columns(events, 6)
    sums = {"minutes": minutes, "kinds": kinds, "counts": counts, "totals_minor": totals_minor, "digests": digests}
    connection.execute(SQL.add_event_sums, {**sums, "units": units})
    minutes, kinds, counts, totals_minor, digests = columns(orders, 5)
    sums = {"minutes": minutes, "kinds": kinds, "counts": counts, "totals_minor": totals_minor, "digests": digests}
    connection.execute(SQL.add_order_sums, sums)


def sum_up(connection: Connection) -> None:
    """Set the ledgers to what the inserted events add up to."""
    connection.execute(SQL.sum_up_rebuilt)


def subtract_steps(connection: Connection, events: Sequence[Event]) -> None:
    """Take events of orders out of the ledger of orders."""
    if of_orders := [event for event in events if event.status]:
        parameters = event_parameters(of_orders, [UNKNOWN_PLACE] * len(of_orders))
        connection.execute(SQL.subtract_steps, parameters)


def fill_metrics(connection: Connection, sales: ProductSales) -> None:
    """Set the metrics to what the ledgers give, and to the sales by product."""
    rows = [(TOP_PRODUCTS_UNITS, product, units) for product, (units, _) in sales.items()]
    rows += [(TOP_PRODUCTS_REVENUE, product, revenue_minor) for product, (_, revenue_minor) in sales.items()]
    names, dimensions, values = columns(rows, 3)
    connection.execute(SQL.fill_rebuilt_metrics, {"names": names, "dimensions": dimensions, "values": values})


def differences(connection: Connection) -> list[Change]:
    """Return the metrics that a switch would change."""
    rows = connection.execute(SQL.rebuilt_differences)
    return [Change((name, dimension), int(before), int(after)) for name, dimension, before, after in rows]


def coverage(connection: Connection) -> tuple[int, int]:
    """Return from when on all counted events are held, and the ledgers complete, in seconds since 1970; 0 for ever."""
    row = connection.execute(SQL.coverage).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def has_replaced(connection: Connection) -> bool:
    """Return whether the tables of before a switch are kept."""
    row = connection.execute(SQL.has_replaced).fetchone()
    return bool(row and row[0])


def switch(connection: Connection, complete_from: int, covered_from: int) -> None:
    """Put the rebuilt tables in the place of the live ones; the times, in seconds since 1970, are 0 for since ever."""
    since: Mapping[str, date | datetime | None] = {
        "complete_from": datetime.fromtimestamp(complete_from, UTC).date() if complete_from else None,
        "covered_from": datetime.fromtimestamp(covered_from, UTC) if covered_from else None,
    }
    connection.execute(SQL.switch_to_rebuilt, since)


def roll_back(connection: Connection) -> int:
    """Put the tables back that the last switch replaced; return how many events were counted since and are kept."""
    row = connection.execute(SQL.roll_back_rebuilt).fetchone()
    return 0 if row is None else int(row[0])


def drop_replaced(connection: Connection) -> None:
    """Drop the tables of before the last switch."""
    connection.execute(SQL.drop_replaced)


def columns(rows: Iterable[Row], width: int) -> list[list[Any]]:
    """Return rows as lists of columns."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
