"""Compares the cost of each stage, as a ratio to the bare pipeline of the same run, with the committed baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.report.result import Result

BASELINE = Path(__file__).with_name("baseline.json")
STAGES = ("orders", "envoy", "postgres", "publisher", "kafka", "workers")
PAIRS = {"product": "bare-native", "product-grpcio": "bare-grpcio"}
# Ratios of two runs on a shared machine differ by up to this share.
NOISE = 0.20

Ratios = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Change:
    """The change of a stage's ratio."""

    run: str
    stage: str
    before: float
    now: float

    @property
    def worse(self) -> bool:
        """Whether the ratio increased by more than noise."""
        return self.now > self.before * (1 + NOISE)


def ratios(result: Result) -> Ratios:
    """Return the cost of each stage relative to the total cost of the bare pipeline, by subject and load.

    Of several rounds the cheapest applies, on both sides.
    """
    found: Ratios = {}
    for subject, load in dict.fromkeys((run["subject"], run["load"]) for run in result.peaks):
        run, bare = result.peak(subject, load), result.peak(PAIRS.get(subject, ""), load)
        if run and bare:
            whole = sum(bare["cpu_us_per_order"][stage] for stage in STAGES)
            found[f"{subject} {load}"] = {stage: round(run["cpu_us_per_order"][stage] / whole, 4) for stage in STAGES}
    return found


def save(result: Result) -> None:
    """Save this result as the baseline."""
    BASELINE.write_text(json.dumps({"commit": result.commit, "ratios": ratios(result)}, indent=1) + "\n")


def compare(result: Result) -> list[Change]:
    """Return the change of each stage against the baseline, the worst first."""
    baseline: Ratios = json.loads(BASELINE.read_text())["ratios"]
    return sorted(changes(baseline, ratios(result)), key=lambda change: change.before - change.now)


def changes(before: Ratios, now: Ratios) -> Iterator[Change]:
    """Yield the changes of the stages in both."""
    for run, stages in now.items():
        for stage, ratio in stages.items():
            if stage in before.get(run, {}):
                yield Change(run, stage, before[run][stage], ratio)


def report(found: list[Change]) -> Iterator[str]:
    """Yield the report: stages that cost more, then the totals."""
    for change in (change for change in found if change.worse):
        yield f"WORSE  {change.run:20} {change.stage:10} {change.before:.3f} -> {change.now:.3f} of the bare pipeline"
    if not any(change.worse for change in found):
        yield f"No stage costs more than {NOISE:.0%} above the baseline."
    for run in dict.fromkeys(change.run for change in found):
        mine = [change for change in found if change.run == run]
        yield f"{run:27} {sum(c.before for c in mine):.2f} -> {sum(c.now for c in mine):.2f} times the bare pipeline"
