"""Builds the events of an order again from its row, where the outbox has dropped them. Pure.

The time of the first event is that of the acceptance, the time of the last one that of the last change. Of those in
between only that is known: they were between these two. Statuses follow from status and sequence. Two ways lead to a
cancelled order with two or three events: its other events tell which it was, or the ledgers. Both add up to the same
metrics.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ordermesh.events.v1.events_pb2 import ORDER_CREATED, EventType
from ordermesh.orders.v1.orders_pb2 import Order

from orders.domain import events, ids
from orders.domain.events import OutboxEvent
from orders.domain.order import CREATED, PENDING_RESTOCK, TRANSITIONS, NewOrder, Status, StoredOrder

MINUTE_US = 60_000_000
RANDOM_BYTES = 8
# A minute, in seconds since 1970, and an event type.
Slot = tuple[int, int]
# The known events of an order by type, of which it has one each at most: previous status and status, None if unknown.
Known = Mapping[int, tuple[int, int] | None]


class Step(NamedTuple):
    """One event in the life of an order."""

    event_type: EventType
    previous: Status
    status: Status


class MissingEvent(NamedTuple):
    """An event that has to be built again, and between which times it occurred."""

    order: StoredOrder
    trace_id: str
    sequence: int
    step: Step
    earliest_us: int
    latest_us: int


def ways(status: Status, sequence: int) -> list[tuple[Step, ...]]:
    """Return the ways in which an order comes to a status with so many events."""
    firsts = (Step(ORDER_CREATED, Order.STATUS_UNSPECIFIED, first) for first in (CREATED, PENDING_RESTOCK))
    found: list[tuple[Step, ...]] = [(first,) for first in firsts]
    for _ in range(sequence - 1):
        found = [
            (*way, Step(event_type, before, after))
            for way in found
            for (before, after), event_type in TRANSITIONS.items()
            if way[-1].status == before
        ]
    return [way for way in found if way[-1].status == status]


def missing_events(order: StoredOrder, trace_id: str, known: Known) -> list[list[MissingEvent]]:
    """Return the events of an order that are not known: of each way that has those that are."""
    return [
        [
            MissingEvent(order, trace_id, sequence, step, *times_of(order, sequence))
            for sequence, step in enumerate(way, 1)
            if step.event_type not in known
        ]
        for way in ways(order.status, order.sequence)
        if fits(way, known)
    ]


def fits(way: tuple[Step, ...], known: Known) -> bool:
    """Return whether a way has the known events."""
    steps = {int(step.event_type): (step.previous, step.status) for step in way}
    return all(kind in steps and states in (steps[kind], None) for kind, states in known.items())


def times_of(order: StoredOrder, sequence: int) -> tuple[int, int]:
    """Return the earliest and the latest time that an event of an order can have."""
    if sequence == 1:
        return order.created_at_us, order.created_at_us
    first_us = order.updated_at_us if sequence == order.sequence else order.created_at_us + sequence - 1
    return first_us, order.updated_at_us


class Slots:
    """The minutes in which the ledgers miss events, by type; each is taken once."""

    def __init__(self, free: Mapping[Slot, int]) -> None:
        self._minutes: dict[int, list[int]] = {}
        for (minute, kind), number in sorted(free.items()):
            self._minutes.setdefault(kind, []).extend([minute] * number)

    def find(self, event: MissingEvent) -> int | None:
        """Return the first minute in which an event can have occurred, None if there is none."""
        left = self._minutes.get(int(event.step.event_type), [])
        at = bisect_left(left, event.earliest_us // MINUTE_US * 60)
        return left[at] if at < len(left) and left[at] * 1_000_000 <= event.latest_us else None

    def take(self, event: MissingEvent) -> int | None:
        """Take the first minute in which an event can have occurred, None if there is none."""
        minute = self.find(event)
        if minute is not None:
            self._minutes[int(event.step.event_type)].remove(minute)
        return minute


def placed(missing: Iterable[list[list[MissingEvent]]], free: Mapping[Slot, int]) -> dict[Slot, list[OutboxEvent]]:
    """Build the missing events of orders for the minutes in which the ledgers miss one of their type.

    Events whose time is known come first, then those that must be the earliest: so as many as possible have a minute.
    Orders that may have come to their status in several ways come last, and take a way of which all events fit. What
    fits nowhere is left out.
    """
    slots, ambiguous, certain = Slots(free), [], []
    for order_ways in missing:
        if len(order_ways) > 1:
            ambiguous.append(order_ways)
        else:
            certain += [event for way in order_ways for event in way]
    built: dict[Slot, list[OutboxEvent]] = {}
    for event in sorted(certain, key=placing_order):
        _place(event, slots, built)
    for order_ways in sorted(ambiguous, key=lambda each: each[0][-1].latest_us if each[0] else 0):
        way = next((way for way in order_ways if all(slots.find(event) is not None for event in way)), order_ways[0])
        for event in way:
            _place(event, slots, built)
    return built


def placing_order(event: MissingEvent) -> tuple[bool, int]:
    """Return what events are placed by."""
    return event.earliest_us != event.latest_us, event.latest_us


def _place(event: MissingEvent, slots: Slots, built: dict[Slot, list[OutboxEvent]]) -> None:
    minute = slots.take(event)
    if minute is not None:
        occur_us = max(event.earliest_us, minute * 1_000_000)
        built.setdefault((minute, int(event.step.event_type)), []).append(build(event, occur_us))


def build(missing: MissingEvent, occur_us: int) -> OutboxEvent:
    """Build an event; the same one has the same id each time."""
    order, step = missing.order, missing.step
    event_id = rebuilt_id(order, missing.sequence)
    traceparent = f"00-{missing.trace_id}-{event_id.replace('-', '')[-16:]}-00"
    if step.event_type == ORDER_CREATED:
        units = sum(line.quantity for line in order.lines)
        new = NewOrder(order.customer_id, order.lines, order.total_minor, units, "", traceparent)
        return events.order_created(event_id, order.order_id, new, step.status, occur_us)
    return events.order_status_changed(
        event_id,
        step.event_type,
        order.order_id,
        order.customer_id,
        missing.sequence,
        step.previous,
        step.status,
        order.total_minor,
        occur_us,
        traceparent,
    )


def rebuilt_id(order: StoredOrder, sequence: int) -> str:
    """Return the id of a rebuilt event, which depends on nothing but the order and the sequence."""
    digest = hashlib.blake2b(f"{order.order_id}/{sequence}".encode(), digest_size=RANDOM_BYTES).digest()
    return ids.with_bits(order.created_at_us + sequence, int.from_bytes(digest))
