"""The rules of events: the log against the orders, and the order in which an order's events came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.orders.v1.orders_pb2 import Order

from faults.oracle.evidence import Evidence, OrderRow
from faults.oracle.log_reader import ORDER_EVENTS, Record
from faults.oracle.violation import Violation, named

MISSING = "event missing in the log"
PHANTOM = "event of an order that does not exist"
DISORDER = "event before an earlier one of its order"
UNTRUE = "events do not lead to the order's status"
SPLIT = "events of an order in several partitions"
DIFFERENT = "one event with two contents"
UNPUBLISHED = "event left in the outbox"


def check(known: Evidence, *, repeated: bool = False) -> Iterator[Violation]:
    """Yield what breaks the rules of events.

    `repeated`: events that were lost in Kafka were published again, so they may stand behind later ones.
    """
    yield from named(UNPUBLISHED, {f"{count} {status}" for status, count in known.outbox.items() if status != "SENT"})
    chains = by_order(known.log)
    first = {order_id: first_occurrences(chain) for order_id, chain in chains.items()}
    yield from named(
        MISSING,
        {
            f"{order.order_id}: {len(first.get(order.order_id, {}))} of {order.sequence}"
            for order in known.orders.values()
            if len(first.get(order.order_id, {})) < order.sequence
        },
    )
    yield from named(PHANTOM, chains.keys() - known.orders.keys())
    yield from named(DIFFERENT, {order_id for order_id, chain in chains.items() if has_two_contents(chain)})
    complete = [order for order in known.orders.values() if len(first.get(order.order_id, {})) == order.sequence]
    yield from named(UNTRUE, {order.order_id for order in complete if not leads_to(order, first[order.order_id])})
    if not repeated:
        yield from named(DISORDER, {order_id for order_id, events in first.items() if not in_order(events)})
        yield from named(
            SPLIT,
            {
                order_id
                for order_id, chain in chains.items()
                if len({(each.generation, each.partition) for each in chain}) > len({each.generation for each in chain})
            },
        )


def by_order(log: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the events of orders by order, as they stand in the log."""
    found: dict[str, list[Record]] = {}
    for record in log:
        if record.topic == ORDER_EVENTS and isinstance(record.event, OrderEvent):
            found.setdefault(record.event.order_id, []).append(record)
    for chain in found.values():
        chain.sort(key=lambda record: (record.generation, record.partition, record.offset))
    return found


def first_occurrences(chain: Sequence[Record]) -> dict[int, Record]:
    """Return the first record of each sequence, in the order of the log."""
    found: dict[int, Record] = {}
    for record in chain:
        assert isinstance(record.event, OrderEvent)  # by_order keeps no others
        found.setdefault(record.event.sequence, record)
    return found


def in_order(events: dict[int, Record]) -> bool:
    """Return whether the sequences first occur as 1, 2, 3, …"""
    return list(events) == list(range(1, len(events) + 1))


def has_two_contents(chain: Sequence[Record]) -> bool:
    """Return whether an event id or a sequence has two contents; repeated bytes are the same event."""
    contents = {record.event.SerializeToString(deterministic=True) for record in chain}
    ids = {record.event.event_id for record in chain}
    return not len(contents) == len(ids) == len(first_occurrences(chain))


def leads_to(order: OrderRow, events: dict[int, Record]) -> bool:
    """Return whether the events lead from one status to the next, and at last to the order's."""
    status = Order.STATUS_UNSPECIFIED
    for _, record in sorted(events.items()):
        event = record.event
        assert isinstance(event, OrderEvent)  # by_order keeps no others
        if event.previous_status != status or event.total_minor != order.total_minor:
            return False
        status = event.status
    return bool(Order.Status.Name(status) == order.status)
