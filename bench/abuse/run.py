"""Runs attacks beside a victim on one stack: before, during and after each, what the victim and /proc say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from bench.abuse.footprint import COMPONENTS, Footprints, Peaks, footprints
from bench.abuse.victim import Answers, Victim
from stack.running_stack import RunningStack

# After an attack: time in which what it held is given back.
SETTLE_SECONDS = 3.0
END_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """One attack: the victim's answers without and with it, and footprints before, at most and afterwards."""

    name: str
    counts: dict[str, int]
    calm: Answers
    attacked: Answers
    before: Footprints
    peak: Footprints
    after: Footprints

    def memory_ratio(self, name: str) -> float:
        """Return the largest memory of a component in relation to that before."""
        return self.peak[name].memory_bytes / max(self.before[name].memory_bytes, 1)

    def as_json(self) -> dict[str, object]:
        """Return the figures of the result file."""
        return {
            "attack": self.name,
            "counts": self.counts,
            "victim": {name: figures(each) for name, each in (("calm", self.calm), ("attacked", self.attacked))},
            "before": {name: asdict(self.before[name]) for name in COMPONENTS},
            "peak": {name: asdict(self.peak[name]) for name in COMPONENTS},
            "after": {name: asdict(self.after[name]) for name in COMPONENTS},
        }


def figures(answers: Answers) -> dict[str, object]:
    """Return the percentiles and failures of answers."""
    return {
        "answers": len(answers.latencies_ms),
        "failures": len(answers.failures),
        "kinds_of_failures": sorted(set(answers.failures))[:5],
        **{f"p{share:g}_ms": answers.percentile(share / 100) for share in (50, 95, 99, 100)},
    }


def outcomes(stack: RunningStack, names: Sequence[str], seconds: float) -> Iterator[Outcome]:
    """Run the attacks one after the other."""
    settings = stack.context.settings
    warmed(settings.front_port)
    for name in names:
        before = footprints(stack)
        with Victim(settings.front_port) as victim:
            time.sleep(seconds)
        calm = victim.answers
        with Peaks(stack) as peaks, Victim(settings.front_port) as victim:
            counts = attacked(name, settings.front_port, settings.publisher_metrics_port, seconds)
        time.sleep(SETTLE_SECONDS)
        yield Outcome(name, counts, calm, victim.answers, before, peaks.largest, footprints(stack))


def warmed(port: int) -> None:
    """Let the victim ask for a moment, so that its first answers are none of the figures."""
    with Victim(port):
        time.sleep(2)


def attacked(name: str, front_port: int, metrics_port: int, seconds: float) -> dict[str, int]:
    """Run an attack in a process of its own and return its counts."""
    arguments = ["--front", str(front_port), "--metrics", str(metrics_port), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "bench.abuse.attacks", name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + END_SECONDS, check=False)
    if done.returncode:
        raise OSError(f"attack {name} failed: {done.stderr[-500:]}")
    found: dict[str, int] = json.loads(done.stdout)
    return found
