"""The verdict of a reconciliation and its summary in one line; pure, without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from gateway.backends.ledger import Events, Orders
from gateway.reconciliation.comparison import Evidence, Finding, covered
from gateway.reconciliation.findings import all_findings, counted_noun
from runtime import timestamps
from runtime.money import major

Totals = ReconcileResponse.Totals

MAX_FINDINGS = 1_000
FINDING_WORDS = {
    Finding.LOST: ("event", "lost"),
    Finding.PHANTOM: ("event", "counted without an order"),
    Finding.METRIC: ("metric", "wrong"),
    Finding.MINUTE: ("minute", "with different sums"),
    Finding.DEAD: ("event", "refused by Kafka"),
    Finding.ORDER: ("order", "with another status or total"),
    Finding.LEDGER: ("ledger sum", "wrong"),
}


def conclude(evidence: Evidence) -> ReconcileResponse:
    """Return the verdict with all findings."""
    findings = all_findings(evidence)
    verdict = ReconcileResponse.AGREES
    if findings:
        verdict = ReconcileResponse.DIFFERS
    elif evidence.in_flight:
        verdict = ReconcileResponse.IN_FLIGHT
    start = evidence.coverage_start
    published = totals(covered(evidence.published.events, start))
    return ReconcileResponse(
        verdict=verdict,
        summary=summary(evidence, findings, published),
        published=published,
        counted=totals(covered(evidence.counted.events, start)),
        in_flight=evidence.in_flight,
        dead_letters=evidence.counted.dead_letters,
        discarded=evidence.discarded,
        compared_orders=number_of_orders(covered(evidence.published.orders, start)),
        findings=findings[:MAX_FINDINGS],
        coverage_start_time=Timestamp(seconds=start) if start else None,
        ids_start_time=Timestamp(seconds=evidence.ids_start) if evidence.ids_start else None,
        coverage_end_time=None if evidence.published.end is None else Timestamp(seconds=evidence.published.end),
    )


def totals(periods: Events) -> Totals:
    """Return the sums of a ledger over its periods."""
    each = periods.values()
    return Totals(
        events=sum(period.events for period in each),
        orders=sum(period.orders for period in each),
        revenue=major(sum(period.revenue_minor for period in each)),
        units=sum(period.units for period in each),
    )


def number_of_orders(periods: Orders) -> int:
    """Return the number of orders of a ledger."""
    return sum(orders for sums in periods.values() for _, orders, _, _ in sums)


def summary(evidence: Evidence, findings: list[Finding], published: Totals) -> str:
    """Return the comparison in one line, without the verdict."""
    events = counted_noun(published.events, "published event")
    since = f" since {timestamps.minute_text(evidence.coverage_start)}" if evidence.coverage_start else ""
    rejected, discarded = evidence.counted.dead_letters, evidence.discarded
    dead_letters = f", {counted_noun(rejected, 'dead letter')}" if rejected else ""
    if discarded:
        dead_letters += f", {counted_noun(discarded, 'event')} discarded"
    in_flight = f", {evidence.in_flight:,} in flight" if evidence.in_flight else ""
    if findings:
        return f"{tally(findings)} (of {events}{since}{dead_letters}{in_flight})"
    orders = f"{counted_noun(published.orders, 'order')}, revenue {published.revenue:,.2f}"
    counted = "each counted once" if not rejected else "each counted once or a dead letter"
    return f"{events}{since} {counted} ({orders}){dead_letters}{in_flight}"


def tally(findings: list[Finding]) -> str:
    """Count the findings by kind, such as "2 events lost, 1 metric wrong"."""
    found = counts(findings)
    words = ((number, *FINDING_WORDS[kind]) for kind in FINDING_WORDS if (number := found[kind]))
    return ", ".join(f"{counted_noun(number, noun)} {what}" for number, noun, what in words)


def counts(findings: Iterable[Finding]) -> Counter[Finding.Kind]:
    """Return how many events, orders, metrics or minutes the findings of each kind are about."""
    found: Counter[Finding.Kind] = Counter()
    for finding in findings:
        found[finding.kind] += finding.event_count or finding.order_count or 1
    return found
