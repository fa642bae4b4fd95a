"""Compares what was published with what was counted and names what differs; pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import AuditMetricsResponse, MinuteSum, ProductSum

from runtime import timestamps

Finding = ReconcileResponse.Finding
Totals = ReconcileResponse.Totals

MAX_FINDINGS = 1_000
MAX_EVENT_IDS = 100


@dataclass(frozen=True)
class Minute:
    """The events of one minute in sums; two minutes with equal digests and counts hold the same ids."""

    types: frozenset[tuple[int, int]] = frozenset()
    revenue_minor: int = 0
    units: int = 0
    digest: int = 0

    @property
    def events(self) -> int:
        """Count the events of all types."""
        return sum(count for _, count in self.types)

    @property
    def orders(self) -> int:
        """Count the orders that were accepted."""
        return sum(count for kind, count in self.types if kind == ORDER_CREATED)


NOTHING = Minute()
# By the second since 1970 at which the minute began.
Ledger = Mapping[int, Minute]


@dataclass(frozen=True)
class Ids:
    """Some events of one minute: how many, and the first of them by name."""

    count: int
    first: tuple[str, ...]

    @classmethod
    def of(cls, event_ids: Iterable[bytes]) -> Ids:
        """Name the first of these ids, in order."""
        ordered = sorted(event_ids)
        return cls(len(ordered), tuple(str(UUID(bytes=event_id)) for event_id in ordered[:MAX_EVENT_IDS]))


@dataclass
class Evidence:
    """All that was read, for the verdict."""

    published: Ledger
    counted: Ledger
    # The first minute that is compared, 0 when that is the first there ever was.
    covers_from: int = 0
    pending: int = 0
    dead: Ids = Ids(0, ())
    parked: int = 0
    missing: dict[int, Ids] = field(default_factory=dict)
    phantoms: dict[int, Ids] = field(default_factory=dict)
    # Records between what is counted and the end of the log, when the waiting ended.
    lag: int = 0
    metrics: list[Finding] = field(default_factory=list)

    def note_ids(self, minute: int, published: set[bytes], counted: set[bytes], parked: set[bytes]) -> set[bytes]:
        """Note which events of a minute are missing and return those that only the metrics have."""
        if missing := published - counted - parked:
            self.missing[minute] = Ids.of(missing)
        return counted - published

    def note_phantoms(self, minute: int, phantoms: set[bytes]) -> None:
        """Note the events of a minute that the orders database does not know."""
        if phantoms:
            self.phantoms[minute] = Ids.of(phantoms)

    @property
    def missing_count(self) -> int:
        """Count the published events that are neither counted nor set aside."""
        return sum(ids.count for ids in self.missing.values())

    @property
    def lost(self) -> bool:
        """Tell whether what is missing cannot be on its way, since less is on its way."""
        return self.missing_count > self.lag

    @property
    def in_flight(self) -> int:
        """Count the events that are on their way."""
        return self.pending + (0 if self.lost else self.missing_count)

    @property
    def quiet(self) -> bool:
        """Tell whether both ends should be the same: nothing waits, is dead, set aside or missing."""
        return not (self.pending or self.dead.count or self.parked or self.missing or self.phantoms)


def by_minute(sums: Iterable[MinuteSum]) -> dict[int, Minute]:
    """Key the sums of a ledger by their minute."""
    return {
        one.start_time.seconds: Minute(
            frozenset((kind.type, kind.events) for kind in one.types if kind.events),
            one.revenue_minor,
            one.units,
            one.digest,
        )
        for one in sums
    }


def since(minutes: dict[int, Minute], first: int) -> dict[int, Minute]:
    """Leave out the minutes before the first one that is to be compared."""
    return {minute: sums for minute, sums in minutes.items() if minute >= first}


def totals(minutes: Ledger) -> Totals:
    """Add up a ledger."""
    each = minutes.values()
    return Totals(
        events=sum(minute.events for minute in each),
        orders=sum(minute.orders for minute in each),
        revenue=major(sum(minute.revenue_minor for minute in each)),
        units=sum(minute.units for minute in each),
    )


def suspects(published: Ledger, counted: Ledger) -> list[int]:
    """List the minutes whose ids may differ, oldest first."""
    return [minute for minute in sorted({*published, *counted}) if not _same_ids(published, counted, minute)]


def minute_findings(published: Ledger, counted: Ledger) -> list[Finding]:
    """Name the minutes that hold the same ids but other sums."""
    minutes = sorted({*published, *counted})
    same = [minute for minute in minutes if _same_ids(published, counted, minute)]
    return [
        _minute_finding(minute, published.get(minute, NOTHING), counted.get(minute, NOTHING))
        for minute in same
        if published.get(minute, NOTHING) != counted.get(minute, NOTHING)
    ]


def _same_ids(published: Ledger, counted: Ledger, minute: int) -> bool:
    left, right = published.get(minute, NOTHING), counted.get(minute, NOTHING)
    return left.digest == right.digest and left.events == right.events


def _minute_finding(minute: int, published: Minute, counted: Minute) -> Finding:
    message = (
        f"minute {timestamps.minute_text(minute)}: the events are the same, their sums are not: "
        f"orders {published.orders:,} and {counted.orders:,}, "
        f"revenue {major(published.revenue_minor):,.2f} and {major(counted.revenue_minor):,.2f}, "
        f"units {published.units:,} and {counted.units:,}"
    )
    return Finding(
        kind=Finding.MINUTE,
        minute_start_time=_minute(minute),
        expected=major(published.revenue_minor),
        actual=major(counted.revenue_minor),
        message=message,
    )


def audit_findings(differences: Iterable[AuditMetricsResponse.Difference]) -> list[Finding]:
    """Name the metrics that are not what the processed events add up to."""
    return [
        metric_finding(one.metric_name, one.dimension, one.expected, one.actual, "the processed events")
        for one in differences
    ]


def product_findings(orders: Iterable[ProductSum], metrics: Iterable[ProductSum]) -> list[Finding]:
    """Name the products whose metrics are not what the orders themselves add up to."""
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
    """Name one metric that is wrong; money comes in minor units and leaves in major ones."""
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


def conclude(evidence: Evidence) -> ReconcileResponse:
    """Return the verdict with everything that differs."""
    findings = _findings(evidence)
    verdict = ReconcileResponse.AGREES
    if findings:
        verdict = ReconcileResponse.DIFFERS
    elif evidence.in_flight:
        verdict = ReconcileResponse.IN_FLIGHT
    return ReconcileResponse(
        verdict=verdict,
        summary=_summary(evidence, findings),
        published=totals(evidence.published),
        counted=totals(evidence.counted),
        in_flight=evidence.in_flight,
        dead_letters=evidence.parked,
        findings=findings[:MAX_FINDINGS],
        coverage_start_time=Timestamp(seconds=evidence.covers_from) if evidence.covers_from else None,
    )


def _findings(evidence: Evidence) -> list[Finding]:
    """List what differs, the worst first."""
    lost = evidence.missing if evidence.lost else {}
    words = "published, but neither counted nor set aside"
    found = [_ids_finding(Finding.LOST, minute, ids, words) for minute, ids in sorted(lost.items())]
    words = "counted, but unknown to the orders database"
    found += [_ids_finding(Finding.PHANTOM, minute, ids, words) for minute, ids in sorted(evidence.phantoms.items())]
    found += evidence.metrics
    found += minute_findings(evidence.published, evidence.counted)
    if evidence.dead.count:
        message = f"{_count(evidence.dead.count, 'event')} refused by Kafka for good: retry or discard"
        dead = evidence.dead
        found.append(Finding(kind=Finding.DEAD, event_ids=dead.first, event_count=dead.count, message=message))
    return found


def _ids_finding(kind: Finding.Kind, minute: int, ids: Ids, words: str) -> Finding:
    return Finding(
        kind=kind,
        minute_start_time=_minute(minute),
        event_ids=ids.first,
        event_count=ids.count,
        message=f"minute {timestamps.minute_text(minute)}: {_count(ids.count, 'event')} {words}",
    )


def _summary(evidence: Evidence, findings: list[Finding]) -> str:
    """Return the comparison in one line; the verdict stands beside it."""
    published = totals(evidence.published)
    since_when = f" since {timestamps.minute_text(evidence.covers_from)}" if evidence.covers_from else ""
    aside = f", {evidence.parked:,} set aside as dead letters" if evidence.parked else ""
    way = f", {evidence.in_flight:,} still on the way" if evidence.in_flight else ""
    if findings:
        return f"{_tally(findings)} (of {_count(published.events, 'published event')}{since_when}{aside}{way})"
    orders = f"{_count(published.orders, 'order')}, revenue {published.revenue:,.2f}"
    counted = "each counted once" if not evidence.parked else "each counted once or set aside"
    events = _count(published.events, "published event")
    return f"{events}{since_when} {counted} ({orders}){aside}{way}"


def _tally(findings: list[Finding]) -> str:
    """Count the findings by kind, e.g. "2 events lost, 1 metric wrong"."""
    words = {
        Finding.LOST: ("event", "lost"),
        Finding.PHANTOM: ("event", "counted without an order"),
        Finding.METRIC: ("metric", "wrong"),
        Finding.MINUTE: ("minute", "with other sums"),
        Finding.DEAD: ("event", "refused by Kafka"),
    }
    parts = []
    for kind, (noun, what) in words.items():
        number = sum(finding.event_count or 1 for finding in findings if finding.kind == kind)
        if number:
            parts.append(f"{_count(number, noun)} {what}")
    return ", ".join(parts)


def major(minor: int) -> float:
    """Return minor units as major ones."""
    return minor / 100


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _minute(seconds: int) -> Timestamp | None:
    """Return the beginning of a minute, None for one of an old event that JSON has no form for."""
    return Timestamp(seconds=seconds) if timestamps.is_time(seconds) else None
