"""What a repair has to do, from the findings of a reconciliation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse

from cli.repair.comparison import FIRST_SECONDS, compare_minute
from cli.repair.dropped import DroppedEvents, find_dropped
from orders.repair import published
from runtime.postgres.connection_types import Connection

Finding = ReconcileResponse.Finding
# Findings whose minutes are compared by id.
BY_ID = (Finding.LOST, Finding.PHANTOM, Finding.MINUTE)


@dataclass
class Plan:
    """Events by what is to be done with them, and whether metrics are wrong."""

    # By minute.
    lost: dict[int, set[str]] = field(default_factory=dict)
    phantoms: set[str] = field(default_factory=set)
    altered: dict[int, set[str]] = field(default_factory=dict)
    metrics: bool = False
    # Lost events that the outbox has dropped.
    dropped: DroppedEvents = field(default_factory=DroppedEvents)

    @property
    def lost_count(self) -> int:
        """Return the number of lost events."""
        return sum(map(len, self.lost.values()))

    @property
    def altered_ids(self) -> set[str]:
        """Return the events that are counted with other sums than were published."""
        return {event_id for ids in self.altered.values() for event_id in ids}

    @property
    def corrects(self) -> bool:
        """Return whether the analytics database has to be corrected."""
        return self.metrics or bool(self.phantoms or self.altered)

    def __bool__(self) -> bool:
        """Return whether there is something to do."""
        return self.corrects or bool(self.lost or self.dropped.exchanges)


def plan_of(orders: Connection, analytics: Connection, response: ReconcileResponse) -> Plan:
    """Name what the findings of a reconciliation are about: they have the first ids only."""
    plan = Plan(metrics=any(finding.kind == Finding.METRIC for finding in response.findings))
    held_since, earlier = published.held_since(orders), False
    for finding in response.findings:
        if finding.kind not in BY_ID or not finding.HasField("minute_start_time"):
            continue
        minute = finding.minute_start_time.seconds
        if minute >= held_since or finding.kind == Finding.PHANTOM:
            add_minute(plan, orders, analytics, minute)
        else:
            earlier = True
    if earlier:
        plan.dropped = find_dropped(orders, analytics, FIRST_SECONDS, held_since)
    return plan


def add_minute(plan: Plan, orders: Connection, analytics: Connection, minute: int) -> None:
    """Compare a minute. Of a minute whose events the outbox has dropped, a reconciliation names phantoms if no order
    ever had an event in it."""
    found = compare_minute(orders, analytics, minute)
    if found.lost:
        plan.lost[minute] = found.lost
    plan.phantoms |= found.phantoms
    if found.altered:
        plan.altered[minute] = found.altered
