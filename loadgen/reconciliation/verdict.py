"""What a run claims, what the metrics say, and the verdict that follows. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from loadgen.reconciliation.own_orders import OwnOrders

IDS_SHOWN = 5


class Verdict(StrEnum):
    """The verdict of the reconciliation."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    NOT_PROVEN = "NOT_PROVEN"


@dataclass(frozen=True)
class Claim:
    """The result of a run: acknowledged orders, their value, and orders with an unknown outcome."""

    accepted: int
    accepted_minor: int
    unanswered: int
    own: OwnOrders = field(default_factory=OwnOrders)


@dataclass(frozen=True)
class Totals:
    """Totals of the metrics, and the number of dead letters."""

    orders: int
    revenue_minor: int
    dead_letters: int


@dataclass(frozen=True)
class Baseline:
    """The pipeline before the run: totals (None while another client creates orders) and findings."""

    totals: Totals | None = None
    findings: frozenset[str] = frozenset()
    # Time of the baseline by the gateway's clock in milliseconds; 0 when the pipeline was not idle.
    at_ms: int = 0


@dataclass(frozen=True)
class Reconciliation:
    """The verdict with its findings; the totals are None unless the pipeline was idle before the run."""

    verdict: Verdict
    summary: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    before: Totals | None = None
    after: Totals | None = None
    other_orders: int = 0
    in_flight: int = 0
    took_ms: int = 0


def judge(before: Totals, after: Totals, claim: Claim, others: int = 0) -> list[str]:
    """Return the differences between the totals and the claim plus orders of others; empty without differences."""
    dead_letters = max(0, after.dead_letters - before.dead_letters)
    orders = after.orders - before.orders
    revenue_minor = after.revenue_minor - before.revenue_minor
    lowest, highest = claim.accepted - dead_letters, claim.accepted + claim.unanswered + others
    problems = []
    if not lowest <= orders <= highest:
        expected = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
        problems.append(f"orders counted: {orders}, acknowledged: {expected}")
    exact = dead_letters == 0 and claim.unanswered == 0 and others == 0
    too_little = dead_letters == 0 and revenue_minor < claim.accepted_minor
    if too_little or (exact and revenue_minor != claim.accepted_minor):
        problems.append(f"revenue counted: {revenue_minor / 100:.2f}, acknowledged: {claim.accepted_minor / 100:.2f}")
    return problems


def describe_own_problems(missing: list[str], doubled: list[str]) -> list[str]:
    """Describe own orders that are not stored exactly once."""
    cases = ((missing, "acknowledged but not stored"), (doubled, "stored twice under another id"))
    return [f"{len(ids)} of this run's orders {what}: {', '.join(ids[:IDS_SHOWN])}" for ids, what in cases if ids]
