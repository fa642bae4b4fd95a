"""All rules together, and the comparison with Reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from faults.load.journal import Journal
from faults.oracle import counts, events, orders, stock
from faults.oracle.evidence import Evidence
from faults.oracle.violation import Violation

# What Reconcile cannot know: it has no journal, does not read records' order, and stock is no part of it.
OUTSIDE_RECONCILE = frozenset(
    {
        orders.LOST,
        orders.DOUBLED,
        orders.CHANGED,
        orders.REFUSED_STORED,
        orders.UNEXPLAINED,
        orders.CONTRADICTED,
        orders.CHANGE_LOST,
        orders.CHANGE_UNEXPLAINED,
        events.DISORDER,
        events.SPLIT,
        events.DIFFERENT,
        stock.RESTOCK_LOST,
        stock.RESTOCK_REFUSED,
        stock.RESTOCK_UNEXPLAINED,
        stock.UNITS,
        stock.LEFT_WAITING,
        counts.DEAD_LETTER,
    }
)


@dataclass(frozen=True)
class Expected:
    """What a platform had before, and what faults left on purpose."""

    initial_stock: Mapping[str, int]
    dead_letters: Mapping[tuple[str, str], int] = field(default_factory=dict)
    # Events were published again after a loss in Kafka: they stand behind later ones.
    repeated: bool = False


def judge(journal: Journal, known: Evidence, expected: Expected) -> list[Violation]:
    """Return everything that breaks a rule."""
    return [
        *orders.check(journal, known),
        *events.check(known, repeated=expected.repeated),
        *counts.check(known, expected.dead_letters),
        *stock.check(journal, known, expected.initial_stock),
    ]


def same_verdict(violations: list[Violation], reconciled: str) -> bool:
    """Return whether Reconcile says what the oracle says of the rules that both can check."""
    differs = any(violation.rule not in OUTSIDE_RECONCILE for violation in violations)
    return (reconciled == "DIFFERS") == differs
