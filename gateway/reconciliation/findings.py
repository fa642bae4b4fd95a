"""Describes differences as findings; pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.ledger_pb2 import AuditMetricsResponse, ProductSum

from gateway.backends.ledger import EMPTY_MINUTE, Ids, Ledger, Minute
from gateway.reconciliation.comparison import Evidence, Finding, same_ids
from runtime import timestamps
from runtime.money import major


def all_findings(evidence: Evidence) -> list[Finding]:
    """Return everything that differs, the most severe first."""
    lost = evidence.missing if evidence.lost else {}
    words = "published, but neither counted nor a dead letter"
    found = [ids_finding(Finding.LOST, minute, ids, words) for minute, ids in sorted(lost.items())]
    words = "counted, but unknown to the orders database"
    found += [ids_finding(Finding.PHANTOM, minute, ids, words) for minute, ids in sorted(evidence.phantoms.items())]
    found += evidence.metrics
    found += minute_findings(evidence.published, evidence.counted)
    if evidence.dead.count:
        message = f"{counted_noun(evidence.dead.count, 'event')} refused by Kafka for good: retry or discard"
        dead = evidence.dead
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


def minute_findings(published: Ledger, counted: Ledger) -> list[Finding]:
    """Return the minutes with the same event ids but different sums."""
    minutes = sorted({*published, *counted})
    same = [minute for minute in minutes if same_ids(published, counted, minute)]
    return [
        minute_finding(minute, published.get(minute, EMPTY_MINUTE), counted.get(minute, EMPTY_MINUTE))
        for minute in same
        if published.get(minute, EMPTY_MINUTE) != counted.get(minute, EMPTY_MINUTE)
    ]


def minute_finding(minute: int, published: Minute, counted: Minute) -> Finding:
    """Return a finding about the sums of a minute."""
    message = (
        f"minute {timestamps.minute_text(minute)}: the events are the same, their sums differ: "
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


def audit_findings(differences: Iterable[AuditMetricsResponse.Difference]) -> list[Finding]:
    """Return the metrics that differ from the sums of the processed events."""
    return [
        metric_finding(one.metric_name, one.dimension, one.expected, one.actual, "the processed events")
        for one in differences
    ]


def product_findings(orders: Iterable[ProductSum], metrics: Iterable[ProductSum]) -> list[Finding]:
    """Return the products whose metrics differ from the sums over the orders."""
    expected = {one.product_id: (one.units, one.revenue_minor) for one in orders}
    actual = {one.product_id: (one.units, one.revenue_minor) for one in metrics}
    names = ("top_products_units", "top_products_revenue")
    return [
        metric_finding(names[index], product, wanted, found, "the orders")
        for product in sorted({*expected, *actual})
        for index, (wanted, found) in enumerate(
            zip(expected.get(product, (0, 0)), actual.get(product, (0, 0)), strict=True)
        )
        if wanted != found
    ]


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
