"""Sends rebuilt events to Kafka, in place of lost ones that the outbox has dropped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import OrderEvent

from orders.domain.events import OutboxEvent
from orders.domain.order import StoredOrder
from orders.outbox.unsent_event import DESTINATIONS
from orders.repair.rebuilt_events import Slot
from orders.store.order_rows import stored_order
from orders.store.queries import QUERIES, REPAIR
from runtime import ledger_messages
from runtime.audit.entries import Action, Origin, record
from runtime.kafka import clients
from runtime.kafka.delivery import NotAcknowledged, Outbound
from runtime.kafka.settings import KafkaSettings
from runtime.kafka.topics import FIRST_STOCK_TYPE
from runtime.postgres.connection_types import Connection

# Events, total_minor, units and digest of one type in one minute.
Sums = tuple[int, int, int, int]
CLIENT_ID = "ordermesh-replay"
SEND_SECONDS = 30.0


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


class NotSent(Exception):
    """Kafka did not acknowledge all events; they may be sent again."""


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


def exchange_events(connection: Connection, slot: Slot, exchange: Exchange, origin: Origin) -> None:
    """Put rebuilt events into the ledger in place of lost ones, with an audit entry of each. Once done, it is without
    effect."""
    events, published, counted = exchange
    parameters = {
        "minute": slot[0],
        "event_type": slot[1],
        "total_minor": counted[1] + sum(event.total_minor for event in events) - published[1],
        "units": counted[2] + sum(event.units for event in events) - published[2],
        "digest": published[3] ^ counted[3],
        "event_ids": [uuid.UUID(event.event_id) for event in events],
    }
    with connection.transaction():
        connection.execute(REPAIR.exchange_events, parameters)
        for event in events:
            after = {"event_id": event.event_id, "event_type": int(event.event_type), "occur_us": event.occur_us}
            record(connection, origin, Action("replay", event.key, None, after))


def send(settings: KafkaSettings, events: Iterable[OutboxEvent]) -> None:
    """Send events to their topic, those of an order in the order of their sequence. Blocks; raises NotSent."""
    producer: Outbound[str] = Outbound(clients.producer(settings, CLIENT_ID))
    deadline = time.monotonic() + SEND_SECONDS
    try:
        for event in events:
            topic, own = DESTINATIONS[event.event_type]
            headers = [("traceparent", event.traceparent), *own]
            producer.put(event.event_id, topic, event.payload, event.key, headers, deadline)
        producer.wait(deadline)
    except NotAcknowledged as error:
        raise NotSent(str(error)) from error
    if producer.errors:
        raise NotSent(next(iter(producer.errors.values())).str())
