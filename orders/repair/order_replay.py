"""Publishes rebuilt events in place of lost ones that the outbox has dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import OrderEvent

from orders.domain.events import OutboxEvent
from orders.domain.order import StoredOrder
from orders.repair.rebuilt_events import Slot
from orders.store.order_rows import stored_order
from orders.store.queries import OUTBOX, QUERIES, REPAIR
from runtime import ledger_messages
from runtime.audit.entries import Action, Origin, record
from runtime.kafka.topics import FIRST_STOCK_TYPE
from runtime.postgres.connection_types import Connection

# Events, total_minor, units and digest of one type in one minute.
Sums = tuple[int, int, int, int]


class Exchange(NamedTuple):
    """Rebuilt events of a slot, and the sums of what was published and of what is counted there."""

    events: Sequence[OutboxEvent]
    published: Sums
    counted: Sums

    @property
    def is_complete(self) -> bool:
        """Return whether these are as many events as are lost."""
        return len(self.events) == self.published[0] - self.counted[0]

    @property
    def excess(self) -> tuple[int, int]:
        """Return by how much the sums of total_minor and units of these events exceed those of the lost ones."""
        total_minor = sum(event.total_minor for event in self.events)
        units = sum(event.units for event in self.events)
        return total_minor - self.published[1] + self.counted[1], units - self.published[2] + self.counted[2]


def orders_of_minutes(connection: Connection, minutes: Iterable[int]) -> Iterator[tuple[StoredOrder, str]]:
    """Yield the orders that were accepted in some minutes, each with its trace id."""
    for minute in minutes:
        parameters = ledger_messages.minute_ids(Timestamp(seconds=minute))
        for row in connection.execute(REPAIR.orders_of_minute, parameters).fetchall():
            yield stored_order(row[:-1]), row[-1]


def orders_by_id(connection: Connection, order_ids: Iterable[str]) -> list[StoredOrder]:
    """Return orders."""
    return [stored_order(row) for row in connection.execute(QUERIES.get_orders, {"order_ids": list(order_ids)})]


def held_events(
    connection: Connection, order_ids: Sequence[str], start: int
) -> Iterator[tuple[str, int, tuple[int, int] | None]]:
    """Yield the events of orders that are in the outbox or were discarded: order, type, previous status and status."""
    parameters = {"keys": list(order_ids), "first_stock_type": FIRST_STOCK_TYPE, "start": start}
    for key, event_type, payload in connection.execute(REPAIR.held_events, parameters):
        if payload is None:
            yield key, event_type, None
        else:
            event = OrderEvent.FromString(payload)
            yield key, event_type, (event.previous_status, event.status)


def replay_rebuilt(connection: Connection, exchanges: Mapping[Slot, Exchange], origin: Origin) -> None:
    """Publish rebuilt events in place of the lost ones, which leave the ledger, in one transaction with its entries."""
    # Types are numbered in the order in which an order has its events.
    events = sorted((e for one in exchanges.values() for e in one.events), key=lambda event: event.event_type)
    with connection.transaction():
        for (minute, event_type), (_, published, counted) in exchanges.items():
            names = ("events", "total_minor", "units")
            sums = {name: counted[n] - published[n] for n, name in enumerate(names)}
            place = {"minute": minute, "event_type": event_type, "digest": published[3] ^ counted[3]}
            connection.execute(REPAIR.remove_lost_events, {**place, **sums})
        connection.execute(REPAIR.insert_rebuilt_events, parameters_of(events))
        for event in events:
            after = {"event_id": event.event_id, "event_type": int(event.event_type), "occur_us": event.occur_us}
            record(connection, origin, Action("replay", event.key, None, after))
        connection.execute(OUTBOX.notify_publishers)


def parameters_of(events: Sequence[OutboxEvent]) -> dict[str, list[Any]]:
    """Return the parameters of insert_rebuilt_events."""
    return {
        "shards": [event.shard for event in events],
        "event_types": [int(event.event_type) for event in events],
        "totals_minor": [event.total_minor for event in events],
        "units": [event.units for event in events],
        "occur_us": [event.occur_us for event in events],
        "event_ids": [event.event_id for event in events],
        "keys": [event.key for event in events],
        "traceparents": [event.traceparent for event in events],
        "payloads": [event.payload for event in events],
    }
