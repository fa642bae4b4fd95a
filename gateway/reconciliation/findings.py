"""Describes differences as findings; pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.ledger_pb2 import DAY, AuditMetricsResponse, LedgerDifference, ProductSum

from gateway.backends.ledger import EventSums, Ids
from gateway.reconciliation.comparison import Evidence, Finding
from gateway.reconciliation.ledger_audit import WrongLedger
from runtime import timestamps
from runtime.money import major


def all_findings(evidence: Evidence) -> list[Finding]:
    """Return everything that differs, the most severe first."""
    lost = evidence.missing if evidence.lost else {}
    words = "published, but neither counted nor a dead letter"
    found = [ids_finding(Finding.LOST, minute, ids, words) for minute, ids in sorted(lost.items())]
    words = "counted, but unknown to the orders database"
    found += [ids_finding(Finding.PHANTOM, minute, ids, words) for minute, ids in sorted(evidence.phantoms.items())]
    found += [order_finding(minute, ids) for minute, ids in sorted(evidence.orders.items())]
    found += evidence.metrics
    found += [minute_finding(minute, *sums) for minute, sums in sorted(evidence.minutes.items())]
    found += [ledger_finding(one) for one in evidence.wrong_ledgers]
    if evidence.published.dead.count:
        dead = evidence.published.dead
        message = f"{counted_noun(dead.count, 'event')} refused by Kafka for good: retry or discard"
        found.append(Finding(kind=Finding.DEAD, event_ids=dead.first, event_count=dead.count, message=message))
    return found


def ids_finding(kind: Finding.Kind, minute: int, ids: Ids, words: str) -> Finding:
    """Return a finding about some events of a minute."""
    return Finding(
        kind=kind,
        minute_start_time=start_time(minute),
        event_ids=ids.first,
        event_count=ids.count,
        message=f"minute {timestamps.minute_text(minute)}: {counted_noun(ids.count, 'event')} {words}",
    )


def order_finding(minute: int, ids: Ids) -> Finding:
    """Return a finding about orders of a minute; without ids, only the sums of the minute are known to differ."""
    what = counted_noun(ids.count, "order") if ids.count else "orders that cannot be named"
    return Finding(
        kind=Finding.ORDER,
        minute_start_time=start_time(minute),
        order_ids=ids.first,
        order_count=ids.count,
        message=f"minute {timestamps.minute_text(minute)}: {what} with another status or total than their events give",
    )


def minute_finding(minute: int, published: EventSums, counted: EventSums) -> Finding:
    """Return a finding about the sums of a minute."""
    same = published.events == counted.events and published.digest == counted.digest
    what = "the events are the same, their sums differ" if same else "the sums differ, the ids are no longer held"
    message = (
        f"minute {timestamps.minute_text(minute)}: {what}: events {published.events:,} and {counted.events:,}, "
        f"orders {published.orders:,} and {counted.orders:,}, "
        f"revenue {major(published.revenue_minor):,.2f} and {major(counted.revenue_minor):,.2f}, "
        f"units {published.units:,} and {counted.units:,}"
    )
    return Finding(
        kind=Finding.MINUTE,
        minute_start_time=start_time(minute),
        expected=major(published.revenue_minor),
        actual=major(counted.revenue_minor),
        message=message,
    )


def ledger_finding(wrong: WrongLedger) -> Finding:
    """Return a finding about a ledger that its rows do not add up to."""
    one = wrong.difference
    moment = one.start_time.seconds
    rows, noun = "rows", "event" if one.ledger == LedgerDifference.EVENTS else "order"
    if one.ledger == LedgerDifference.PRODUCTS:
        where, noun = f"product {one.product_id}", "unit"
    elif one.period == DAY:
        where, rows = f"day {timestamps.minute_text(moment)[:10]}", "minutes"
    else:
        where = f"minute {timestamps.minute_text(moment)}"
    same = ", with other ids or another revenue" if one.expected == one.actual else ""
    message = (
        f"{where}: the ledger of the {wrong.database} database has {counted_noun(one.actual, noun)}, "
        f"its {rows} add up to {one.expected:,}{same}"
    )
    return Finding(
        kind=Finding.LEDGER,
        minute_start_time=start_time(moment) if one.HasField("start_time") else None,
        dimension=one.product_id,
        expected=one.expected,
        actual=one.actual,
        message=message,
    )


def audit_findings(differences: Iterable[AuditMetricsResponse.Difference]) -> list[Finding]:
    """Return the metrics that differ from the ledger of counted events."""
    return [
        metric_finding(one.metric_name, one.dimension, one.expected, one.actual, "the counted events")
        for one in differences
    ]


def product_findings(
    before: Iterable[ProductSum], metrics: Iterable[ProductSum], after: Iterable[ProductSum], *, quiet: bool
) -> list[Finding]:
    """Return the products whose metrics are not between what was published before and what was ordered after them.

    When the orders are `quiet`, both are the same.
    """
    lowest = {one.product_id: counted_sales(one) for one in before}
    highest = lowest if quiet else {one.product_id: (one.units, one.revenue_minor) for one in after}
    actual = {one.product_id: (one.units, one.revenue_minor) for one in metrics}
    found = []
    for product in sorted({*lowest, *highest, *actual}):
        for index, name in enumerate(("top_products_units", "top_products_revenue")):
            low, high, value = (sales.get(product, (0, 0))[index] for sales in (lowest, highest, actual))
            if not low <= value <= high:
                found.append(metric_finding(name, product, low if value < low else high, value, "the orders"))
    return found


def counted_sales(one: ProductSum) -> tuple[int, int]:
    """Return units and revenue of a product without those of orders that cannot be counted yet."""
    return one.units - one.uncounted_units, one.revenue_minor - one.uncounted_revenue_minor


def metric_finding(name: str, dimension: str, expected: int, actual: int, source: str) -> Finding:
    """Return a finding about a metric, with money in major units; the arguments are in minor units."""
    scale = 100 if "revenue" in name else 1
    wanted, found = expected / scale, actual / scale
    label = f"{name} of {dimension}" if dimension else name
    message = f"{label}: is {found:,.15g}, {source} add up to {wanted:,.15g}"
    return Finding(
        kind=Finding.METRIC,
        metric_name=name,
        dimension=dimension,
        expected=wanted,
        actual=found,
        message=message,
    )


def counted_noun(number: int, noun: str) -> str:
    """Return a number with its noun, such as "2 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def start_time(minute: int) -> Timestamp | None:
    """Return the start of a minute, None if JSON cannot represent it (an event with an invalid old time)."""
    return Timestamp(seconds=minute) if timestamps.is_time(minute) else None
