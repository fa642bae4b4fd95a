"""Decides whether nothing was lost, doubled or out of order: from what clients were told and what the log holds.

It shares no code with the programs but the generated messages of the contract.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.orders.v1.orders_pb2 import Order

from simulated.kafka.broker import Broker, Record
from simulated.postgres.database import Database, Row

MINUTE_SECONDS = 60
SENT = "SENT"


class Violation(AssertionError):
    """A guarantee does not hold."""


@dataclass(slots=True)
class Request:
    """A request for an order, known in the log by its total; what the client was told."""

    request_id: str
    total_minor: int
    refused_by_kafka: bool
    acknowledged_ids: set[str] = field(default_factory=set)
    # Whether an attempt ended without an answer, or with an unknown outcome.
    in_doubt: bool = False
    # The statuses that the client was told the order has had.
    statuses: set[int] = field(default_factory=set)

    @property
    def order_id(self) -> str | None:
        """The order, once the client knows it."""
        return next(iter(self.acknowledged_ids), None)


class Oracle:
    """Follows the log while it grows, and compares everything at the end."""

    def __init__(self, broker: Broker, orders: Database, analytics: Database) -> None:
        self._broker, self._orders, self._analytics = broker, orders, analytics
        broker.on_append = self._appended
        self.requests: list[Request] = []
        self.garbage: set[tuple[str, int, int]] = set()
        # Of each order, its events in the order of their first appearance in the log.
        self.log: defaultdict[str, dict[str, OrderEvent]] = defaultdict(dict)
        # Dead letters that an operator has sent again: the keys of the rows.
        self.redriven: set[tuple[str, int, int, UUID]] = set()
        self.duplicates = 0

    @property
    def _counted(self) -> dict[str, Row]:
        return self._analytics.tables["processed_events"]

    def _appended(self, record: Record) -> None:
        if record.place[0] != "order-events":
            return
        try:
            event = OrderEvent.FromString(record.value or b"")
        except DecodeError:
            event = OrderEvent()
        if not event.order_id:
            self.garbage.add((*record.place, record.offset))
            return
        known = self.log[event.order_id]
        if event.event_id in known:
            self.duplicates += 1
            return
        if event.sequence != len(known) + 1:
            raise Violation(f"order {event.order_id}: sequence {event.sequence} follows {len(known)} in the log")
        before = list(known.values())[-1].status if known else Order.STATUS_UNSPECIFIED
        if event.previous_status != before:
            raise Violation(f"order {event.order_id}: an event leads from a status that the order did not have")
        known[event.event_id] = event

    def check_counting(self) -> None:
        """Compare what is counted so far with the log. Raises Violation."""
        for place, row in self._analytics.tables["partition_progress"].items():
            if self._broker.committed.get(place, 0) > row["next_offset"]:
                raise Violation(f"{place}: the group's offset is after the position of the database")
            if row["next_offset"] > len(self._broker.logs[place]):
                raise Violation(f"{place}: more is counted than there is")
            for record in self._broker.logs[place][: row["next_offset"]]:
                self._must_be_counted(record)
        self._check_sums(set(self._counted))

    def _must_be_counted(self, record: Record) -> None:
        place = (*record.place, record.offset)
        kept = any(key[:3] == place for key in self._analytics.tables["dead_letter"])
        if place in self.garbage:
            if not kept:
                raise Violation(f"{place}: rejected and no dead letter")
        elif not kept and OrderEvent.FromString(record.value or b"").event_id not in self._counted:
            raise Violation(f"{place}: passed over and not counted")

    def _check_sums(self, counted: set[str]) -> None:
        """Compare the metrics with the sums of the counted events."""
        sums: Counter[tuple[str, str]] = Counter()
        for events in self.log.values():
            for event in events.values():
                if event.event_id in counted:
                    sums.update(contributions(event))
        rows = {key: row["value"] for key, row in self._analytics.tables["sales_metrics"].items() if row["value"]}
        wrong = {key for key in sums.keys() | rows.keys() if sums[key] != rows.get(key, 0)}
        if wrong:
            found = [f"{key}: {rows.get(key, 0)} for {sums[key]}" for key in sorted(wrong)[:3]]
            raise Violation(f"metrics differ from the counted events: {', '.join(found)}")

    def check_all(self) -> None:
        """Compare everything, after all programs have finished their work. Raises Violation."""
        self._check_orders()
        self._check_outbox()
        self.check_counting()
        events = {event_id for known in self.log.values() for event_id in known}
        counted = list(self._analytics.commit_order["processed_events"])
        if set(counted) != events:
            raise Violation(f"{len(events - set(counted))} events not counted, {len(set(counted) - events)} unknown")
        self._check_counting_order(counted)
        letters = Counter(key[:3] for key in self._analytics.tables["dead_letter"].keys() - self.redriven)
        if letters != Counter(self.garbage - {key[:3] for key in self.redriven}):
            raise Violation("dead letters differ from the records that cannot be counted")

    def _check_orders(self) -> None:
        by_total: defaultdict[int, list[str]] = defaultdict(list)
        for order_id, events in self.log.items():
            by_total[next(iter(events.values())).total_minor].append(order_id)
        for request in self.requests:
            found, told = by_total.pop(request.total_minor, []), request.acknowledged_ids
            if len(told) > 1 or len(found) > 1:
                raise Violation(f"{request.request_id}: two orders, {found or told}")
            if told and set(found) != told:
                raise Violation(f"{request.request_id}: acknowledged as {told}, published as {found}")
            if found and not told and not request.in_doubt:
                raise Violation(f"{request.request_id}: refused, and published as {found}")
            for order_id in told:
                statuses = Counter(event.status for event in self.log[order_id].values())
                if any(statuses[status] != 1 for status in request.statuses) or max(statuses.values()) > 1:
                    raise Violation(f"{order_id}: acknowledged {request.statuses}, published {dict(statuses)}")
        if by_total:
            raise Violation(f"orders that nobody placed: {dict(by_total)}")

    def _check_outbox(self) -> None:
        rows = self._orders.tables["event_outbox"].values()
        if unsent := [row["event_id"] for row in rows if row["status"] != SENT]:
            raise Violation(f"{len(unsent)} events are not published")
        stored = Counter(row["event_id"] for row in rows)
        logged = {event_id for known in self.log.values() for event_id in known}
        if set(stored) != logged or max(stored.values(), default=1) > 1:
            raise Violation(f"{len(set(stored) ^ logged)} events are in the outbox or in the log only")

    def _check_counting_order(self, counted: list[str]) -> None:
        place = {event_id: number for number, event_id in enumerate(counted)}
        late = {self._broker.logs[key[:2]][key[2]].key for key in self.redriven}
        for order_id, events in self.log.items():
            if order_id.encode() in late:
                continue
            found = [place[event_id] for event_id in events]
            if found != sorted(found):
                raise Violation(f"order {order_id}: events counted out of order")


def contributions(event: OrderEvent) -> dict[tuple[str, str], int]:
    """Return what an event adds to the metrics, as docs/reference/metrics.md defines them."""
    found = Counter({("orders_by_status", Order.Status.Name(event.status)): 1})
    if event.previous_status:
        found["orders_by_status", Order.Status.Name(event.previous_status)] -= 1
    if event.status == Order.CANCELLED:
        found["cancelled_revenue", ""] += event.total_minor
    if event.sequence == 1:
        minute = event.occur_time.ToDatetime().strftime("%Y-%m-%dT%H:%MZ")
        for name, dimension in (("total", ""), ("per_minute", minute)):
            found[f"orders_{name}", dimension] += 1
            found[f"revenue_{name}", dimension] += event.total_minor
        for item in event.order_created.items:
            found["top_products_units", item.product_id] += item.quantity
            found["top_products_revenue", item.product_id] += item.quantity * item.price_minor
    return dict(found)
