"""Runs attacks beside a victim on one stack: what the victim and /proc say before, during and after each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.abuse.footprint import COMPONENTS, Footprints, Peaks, footprints
from bench.abuse.victim import Answers, Victim
from stack.running_stack import RunningStack

# After an attack: time in which what it held is given back.
SETTLE_SECONDS = 3.0
END_SECONDS = 30.0
Figures = dict[str, object]


@dataclass(frozen=True)
class Round:
    """One attack: the victim's answers beside it and after it, and the footprints at most and afterwards."""

    counts: dict[str, int]
    during: Answers
    after: Answers
    peak: Footprints
    left: Footprints


@dataclass(frozen=True)
class Outcome:
    """An attack, repeated: the victim's answers and the footprints before the first, and each round."""

    name: str
    calm: Answers
    before: Footprints
    rounds: Sequence[Round]

    @property
    def failures(self) -> int:
        """How many requests of the victim failed beside the attack and after it."""
        return sum(len(each.during.failures) + len(each.after.failures) for each in self.rounds)

    def victim(self) -> dict[str, Figures]:
        """Return the victim's figures before, during and after the attack: medians of the rounds."""
        return {
            "before": figures([self.calm]),
            "during": figures([each.during for each in self.rounds]),
            "after": figures([each.after for each in self.rounds]),
        }

    def memory(self) -> dict[str, dict[str, float]]:
        """Return the bytes of each component before, the most during the attack and after it: medians of the rounds."""
        return {
            name: {
                "before": self.before[name].memory_bytes,
                "most": median(each.peak[name].memory_bytes for each in self.rounds),
                "after": median(each.left[name].memory_bytes for each in self.rounds),
            }
            for name in COMPONENTS
        }

    def as_json(self) -> Figures:
        """Return the figures of the result file."""
        return {
            "attack": self.name,
            "victim": self.victim(),
            "memory": self.memory(),
            "before": {name: asdict(self.before[name]) for name in COMPONENTS},
            "rounds": [
                {
                    "counts": each.counts,
                    "during": figures([each.during]),
                    "after": figures([each.after]),
                    "peak": {name: asdict(each.peak[name]) for name in COMPONENTS},
                    "left": {name: asdict(each.left[name]) for name in COMPONENTS},
                }
                for each in self.rounds
            ],
        }


def figures(phases: Sequence[Answers]) -> Figures:
    """Return answers and failures of phases in sum, and the medians of their percentiles."""
    failures = [failure for each in phases for failure in each.failures]
    return {
        "answers": sum(len(each.latencies_ms) for each in phases),
        "failures": len(failures),
        "kinds_of_failures": sorted(set(failures))[:5],
        **{f"p{share}_ms": median(each.percentile(share / 100) for each in phases) for share in (50, 95, 99, 100)},
    }


def outcomes(stack: RunningStack, names: Sequence[str], seconds: float, rounds: int) -> Iterator[Outcome]:
    """Run the attacks one after the other, each a number of times."""
    port = stack.context.settings.front_port
    # The victim's first answers are none of the figures.
    victim_answers(port, SETTLE_SECONDS)
    for name in names:
        before = footprints(stack)
        calm = victim_answers(port, seconds)
        yield Outcome(name, calm, before, [one_round(stack, name, seconds) for _ in range(rounds)])


def one_round(stack: RunningStack, name: str, seconds: float) -> Round:
    """Run an attack once, beside a victim that goes on when it has ended."""
    settings = stack.context.settings
    with Peaks(stack) as peaks, Victim(settings.front_port) as victim:
        counts = attacked(name, settings.front_port, settings.publisher_metrics_port, seconds)
    time.sleep(SETTLE_SECONDS)
    left = footprints(stack)
    return Round(counts, victim.answers, victim_answers(settings.front_port, seconds), peaks.largest, left)


def victim_answers(port: int, seconds: float) -> Answers:
    """Return what the victim gets within a time, without an attack."""
    with Victim(port) as victim:
        time.sleep(seconds)
    return victim.answers


def attacked(name: str, front_port: int, metrics_port: int, seconds: float) -> dict[str, int]:
    """Run an attack in a process and session of its own and return its counts."""
    arguments = ["--front", str(front_port), "--metrics", str(metrics_port), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "faults.attacks", name, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + END_SECONDS, check=False, start_new_session=True
    )
    if done.returncode:
        raise OSError(f"attack {name} failed: {done.stderr[-500:]}")
    found: dict[str, int] = json.loads(done.stdout)
    return found
