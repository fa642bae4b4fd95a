"""The verdict of a reconciliation and its summary in one line; pure, without I/O."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from gateway.backends.ledger import Ledger
from gateway.reconciliation.comparison import Evidence, Finding
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
}


def conclude(evidence: Evidence) -> ReconcileResponse:
    """Return the verdict with all findings."""
    findings = all_findings(evidence)
    verdict = ReconcileResponse.AGREES
    if findings:
        verdict = ReconcileResponse.DIFFERS
    elif evidence.in_flight:
        verdict = ReconcileResponse.IN_FLIGHT
    start, published = evidence.coverage_start, totals(evidence.published)
    return ReconcileResponse(
        verdict=verdict,
        summary=summary(evidence, findings, published),
        published=published,
        counted=totals(evidence.counted),
        in_flight=evidence.in_flight,
        dead_letters=evidence.dead_letters,
        findings=findings[:MAX_FINDINGS],
        coverage_start_time=Timestamp(seconds=start) if start else None,
    )


def totals(minutes: Ledger) -> Totals:
    """Return the sums of a ledger over its minutes."""
    each = minutes.values()
    return Totals(
        events=sum(minute.events for minute in each),
        orders=sum(minute.orders for minute in each),
        revenue=major(sum(minute.revenue_minor for minute in each)),
        units=sum(minute.units for minute in each),
    )


def summary(evidence: Evidence, findings: list[Finding], published: Totals) -> str:
    """Return the comparison in one line, without the verdict."""
    events = counted_noun(published.events, "published event")
    since = f" since {timestamps.minute_text(evidence.coverage_start)}" if evidence.coverage_start else ""
    dead_letters = f", {counted_noun(evidence.dead_letters, 'dead letter')}" if evidence.dead_letters else ""
    in_flight = f", {evidence.in_flight:,} in flight" if evidence.in_flight else ""
    if findings:
        return f"{tally(findings)} (of {events}{since}{dead_letters}{in_flight})"
    orders = f"{counted_noun(published.orders, 'order')}, revenue {published.revenue:,.2f}"
    counted = "each counted once" if not evidence.dead_letters else "each counted once or a dead letter"
    return f"{events}{since} {counted} ({orders}){dead_letters}{in_flight}"


def tally(findings: list[Finding]) -> str:
    """Count the findings by kind, such as "2 events lost, 1 metric wrong"."""
    parts = []
    for kind, (noun, what) in FINDING_WORDS.items():
        number = sum(finding.event_count or 1 for finding in findings if finding.kind == kind)
        if number:
            parts.append(f"{counted_noun(number, noun)} {what}")
    return ", ".join(parts)
