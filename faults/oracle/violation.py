"""A rule that does not hold, with an example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EXAMPLES = 3


@dataclass(frozen=True)
class Violation:
    """The rule, and what breaks it."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def named(rule: str, ids: Iterable[object]) -> Iterator[Violation]:
    """Yield one violation for all ids that break a rule, none without ids."""
    found = sorted(map(str, ids))
    if found:
        more = f" and {len(found) - EXAMPLES} more" if len(found) > EXAMPLES else ""
        yield Violation(rule, f"{', '.join(found[:EXAMPLES])}{more}")
