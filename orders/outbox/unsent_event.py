"""Unsent events, as the publisher reads them from the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ordermesh.events.v1.events_pb2 import EventType

from runtime.kafka import topics

# By event type: the topic, and the headers that all events of the type have.
DESTINATIONS = {
    number: (topic, (("event-type", name), ("content-type", topics.CONTENT_TYPES[topic])))
    for name, number in EventType.items()
    for topic in (topics.topic_of(number),)
}


class UnsentEvent(NamedTuple):
    """An unsent row of the outbox."""

    id: int
    shard: int
    event_type: int
    key: str
    payload: bytes
    traceparent: str
    occur_us: int
    baggage: str | None = None


def headers_of(event_type: int, traceparent: str, baggage: str | None) -> list[tuple[str, str | bytes | None]]:
    """Return the headers with which an event is published."""
    carried = (("baggage", baggage),) if baggage else ()
    return [("traceparent", traceparent), *DESTINATIONS[event_type][1], *carried]


def has_sequence(event: UnsentEvent) -> bool:
    """Return whether an event belongs to an order and has to arrive in order; stock events do not."""
    return event.event_type < topics.FIRST_STOCK_TYPE


def one_per_order(events: Sequence[UnsentEvent]) -> tuple[list[UnsentEvent], list[UnsentEvent]]:
    """Return the events that may be sent now, and those whose order has an earlier event among them.

    A rejected batch does not stop the next batch of its partition, so at most one event of an order is in flight. Stock
    events need no order: a popular product has thousands.
    """
    now: list[UnsentEvent] = []
    later: list[UnsentEvent] = []
    keys: set[str] = set()
    for event in events:
        if event.key not in keys or not has_sequence(event):
            keys.add(event.key)
            now.append(event)
        else:
            later.append(event)
    return now, later
