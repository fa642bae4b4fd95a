"""Rebuilds from the orders database: its events, and for those that the outbox has dropped ledgers and orders."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ordermesh.events.v1.events_pb2 import ORDER_CREATED

from cli.output.formats import event_count
from cli.rebuild.source import NotRebuilt, Rebuilt
from cli.repair.progress import ProgressLine
from orders.repair import history, published
from orders.repair.history import FIRST_SECONDS, History, Record, Row
from orders.repair.order_replay import orders_by_id
from orders.repair.rebuilt_events import ways
from processor.events.decode import decode
from processor.events.event import ANY_TIME, Event, Rejection
from processor.repair import rebuild
from processor.repair.correction import ProductSales
from runtime.batched import batched
from runtime.kafka.topics import topic_of
from runtime.postgres.connection_types import Connection

BATCH_EVENTS = 5_000
# How long to wait for publishers to mark events as sent that workers have counted.
MARK_SECONDS = 5.0
POLL_SECONDS = 0.1


class OrdersSource:
    """The orders database. An event is counted in a rebuild when it is published and not rejected."""

    def __init__(self, orders: Connection, analytics: Connection) -> None:
        self._orders = orders
        self._analytics = analytics
        # By minute, the sums of what was published when its events were inserted.
        self._inserted: dict[int, list[Row]] = {}

    def fill(self) -> None:
        """Insert the published events that the outbox holds, minute by minute."""
        progress, events = ProgressLine(), 0
        for minute in history.minutes_of_events(self._orders, published.held_since(self._orders) or FIRST_SECONDS):
            with published.snapshot(self._orders):
                self._inserted[minute] = history.minute_sums(self._orders, minute)
                events += self._insert(minute)
            progress.show(f"{event_count(events)} rebuilt")
        progress.clear()

    def finish(self) -> Rebuilt:
        """Insert what was published since, and set the ledgers to those of the orders database."""
        self._await_marks()
        with published.snapshot(self._orders):
            held_since = published.held_since(self._orders)
            found = history.history(self._orders)
            by_minute: dict[int, list[Row]] = {}
            for row in found.events:
                by_minute.setdefault(row[0], []).append(row)
            for minute, sums in by_minute.items():
                if minute >= held_since and sums != self._inserted.get(minute):
                    self._insert(minute)
            sales = self._set_sums(found)
        return Rebuilt(sales, held_since, found.coverage_start)

    def _insert(self, minute: int) -> int:
        """Insert the published events of a minute; call it in a snapshot."""
        events = [counted_event(each) for each in history.published_records(self._orders, minute)]
        for some in batched(events, BATCH_EVENTS):
            rebuild.insert(self._analytics, some, [rebuild.UNKNOWN_PLACE] * len(some))
        return len(events)

    def _await_marks(self) -> None:
        """Wait until no event that a worker has counted is unsent: its publisher has not committed yet."""
        deadline = time.monotonic() + MARK_SECONDS
        while True:
            unsent = history.unsent_event_ids(self._orders)
            if len(unsent) > history.MAX_UNSENT:
                raise NotRebuilt(
                    f"more than {event_count(history.MAX_UNSENT)} are not published: wait for the publisher"
                )
            if not rebuild.counted_or_rebuilt(self._analytics, unsent):
                return
            if time.monotonic() > deadline:
                raise NotRebuilt("events that are counted are not marked as sent: is the publisher running?")
            time.sleep(POLL_SECONDS)

    def _set_sums(self, found: History) -> ProductSales:
        """Set the ledgers, without the events that are not published, and return the sales of the other orders."""
        rebuild.clear_sums(self._analytics)
        rebuild.add_sums(self._analytics, found.events, found.orders)
        rebuild.subtract_steps(self._analytics, list(self._unpublished_steps(found.unpublished)))
        created = {each.key for each in found.unpublished if each.event_type == ORDER_CREATED}
        sales = published.product_sums(self._orders)
        for product, (units, revenue_minor) in published.product_sums(self._orders, created).items():
            sales[product] = (sales[product][0] - units, sales[product][1] - revenue_minor)
        return sales

    def _unpublished_steps(self, records: Sequence[Record]) -> Iterable[Event]:
        """Yield the events of orders among the records; those that the outbox has dropped as their orders tell them."""
        yield from (counted_event(each) for each in records if each.payload is not None and each.key)
        dropped = {each.key: each for each in records if each.payload is None and each.key}
        for order in orders_by_id(self._orders, dropped):
            for step in ways(order.status, order.sequence)[0]:
                if step.event_type == dropped[order.order_id].event_type:
                    yield Event(
                        "NULL", order.order_id, step.event_type, 0, step.previous, step.status, order.total_minor, 0, ()
                    )


def counted_event(record: Record) -> Event:
    """Return a record as a worker counts it. Raises NotRebuilt."""
    decoded = decode(topic_of(record.event_type), record.key.encode(), record.payload, ANY_TIME)
    if isinstance(decoded, Rejection):
        raise NotRebuilt(f"an event of {record.key} cannot be counted: {decoded.detail}")
    return decoded
