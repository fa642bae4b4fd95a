"""Overload: three times the peak rate; accepted orders, and the latency and cost of refusals.

Refusals cost CPU time of the front proxy, and who sends so much does too. On cores that everything shares, both take it
from the orders that are accepted: at most 1 - 2 r / p of the peak is left with p and r the costs of an order and of a
refusal. So it is measured twice: on shared cores, and with a core for the front proxy and the generator alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.loads import h2load
from bench.loads.closed_model import REST_HTTP2, Load
from bench.measure.affinity import front_apart
from bench.measure.end_to_end import checkpoint, peak
from bench.subjects import accounting
from bench.subjects.pipeline import Subject, product

TIMES = 3
# Over HTTP/2. The flood has up to 2,048 calls in flight, far more than are admitted: its rate is kept whatever the
# answers. The crowd is three times as many clients as make the peak, each of which calls again when it is answered.
FLOOD = replace(REST_HTTP2, name="flood", connections=64, streams=32)
CROWD = replace(REST_HTTP2, name="crowd", connections=TIMES * REST_HTTP2.connections)
REFUSALS = 20_000


@dataclass(frozen=True)
class Answered:
    """What a platform beyond its peak answered: rates per second, latencies in milliseconds."""

    accepted_per_second: float
    accepted: int
    refused: int
    accepted_ms: dict[str, float]
    refused_ms: dict[str, float]
    generator_cores: float
    cores_elsewhere: float
    reconciled: bool


@dataclass(frozen=True)
class Overload:
    """The peak, and what was answered at three times as many calls a second, and of three times as many clients."""

    peak_per_second: float
    peak_ms: dict[str, float]
    offered_per_second: float
    open_model: Answered
    closed_model: Answered
    # The minimum cost of a refusal by group: Envoy's rate limit refuses before any other processing.
    refusal_cpu_us: dict[str, float]
    front_apart: bool

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def floods(seconds: float) -> Iterator[Overload]:
    """Measure the peak over REST, then offer three times as much for `seconds` in both models: on both placements."""
    refusal = refusal_cpu_us()
    for apart in (False, True):
        with product() as subject, front_apart(subject.roots) if apart else contextlib.nullcontext():
            most = peak(subject, REST_HTTP2, seconds)
            each = round(most.acknowledged_per_second * TIMES / FLOOD.connections)
            yield Overload(
                peak_per_second=most.acknowledged_per_second,
                peak_ms=most.latency_ms,
                offered_per_second=each * FLOOD.connections,
                open_model=answered(subject, FLOOD, round(each * FLOOD.connections * seconds), each),
                closed_model=answered(subject, CROWD, round(most.acknowledged_per_second * TIMES * seconds)),
                refusal_cpu_us=refusal,
                front_apart=apart,
            )


def answered(subject: Subject, load: Load, calls: int, per_connection_per_second: int = 0) -> Answered:
    """Make a number of calls, at a rate if given, and count what was accepted."""
    checkpoint(subject)
    stored, counted = subject.stored(), subject.counted()
    before = accounting.measure_cost(subject.roots)
    answers = h2load.run(subject.accepted(load), subject.port, calls, per_connection_per_second)
    after = accounting.measure_cost(subject.roots)
    subject.drain(counted + subject.stored() - stored)
    return Answered(
        accepted_per_second=round(answers.calls / answers.seconds, 1),
        accepted=answers.calls,
        refused=answers.refused,
        accepted_ms=answers.latency_ms,
        refused_ms=answers.refused_ms,
        generator_cores=round(answers.cpu_us / 1e6 / answers.seconds, 3),
        cores_elsewhere=after.cores_elsewhere(before, sum(after.since(before).values()) + answers.cpu_us),
        reconciled=answers.calls == subject.stored() - stored == subject.counted() - counted,
    )


def refusal_cpu_us() -> dict[str, float]:
    """Return the CPU time of a call that the rate limit refuses, in microseconds; one call per second passes."""
    with product(rate_limit_per_second=1) as subject:
        h2load.run(subject.accepted(REST_HTTP2), subject.port, REFUSALS // 10)
        before = accounting.measure_cost(subject.roots)
        answers = h2load.run(subject.accepted(REST_HTTP2), subject.port, REFUSALS)
        spent = accounting.measure_cost(subject.roots).since(before)
    return {"envoy": round(spent["envoy"] / REFUSALS, 1), "generator": round(answers.cpu_us / REFUSALS, 1)}
