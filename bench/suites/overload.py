"""Overload: three times the peak rate; accepted orders, and the latency and cost of refusals."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.loads import h2load
from bench.loads.closed_model import REST
from bench.measure.end_to_end import checkpoint, peak
from bench.subjects import accounting
from bench.subjects.pipeline import product

TIMES = 3
# Both over HTTP/2; the flood has up to 2,048 calls in flight, far more than are admitted.
CALM = replace(REST, name="rest over HTTP/2", connections=8, streams=24, http1=False)
FLOOD = replace(CALM, name="flood", connections=64, streams=32)
REFUSALS = 20_000


@dataclass(frozen=True)
class Overload:
    """An overload run and the peak of the same platform: rates per second, latencies in milliseconds."""

    peak_per_second: float
    offered_per_second: float
    accepted_per_second: float
    accepted: int
    refused: int
    accepted_ms: dict[str, float]
    refused_ms: dict[str, float]
    generator_cores: float
    reconciled: bool
    # The minimum cost of a refusal by group: Envoy's rate limit refuses before any other processing.
    refusal_cpu_us: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def flood(seconds: float) -> Overload:
    """Measure the peak over REST, then offer three times as much for `seconds`."""
    refusal = refusal_cpu_us()
    with product() as subject:
        most = peak(subject, CALM, seconds).acknowledged_per_second
        checkpoint(subject)
        stored, counted = subject.stored(), subject.counted()
        each = round(most * TIMES / FLOOD.connections)
        calls = round(each * FLOOD.connections * seconds)
        answers = h2load.run(subject.accepted(FLOOD), subject.port, calls, each)
        subject.drain(counted + subject.stored() - stored)
        return Overload(
            peak_per_second=most,
            offered_per_second=each * FLOOD.connections,
            accepted_per_second=round(answers.calls / answers.seconds, 1),
            accepted=answers.calls,
            refused=answers.refused,
            accepted_ms=answers.latency_ms,
            refused_ms=answers.refused_ms,
            generator_cores=round(answers.cpu_us / 1e6 / answers.seconds, 3),
            reconciled=answers.calls == subject.stored() - stored == subject.counted() - counted,
            refusal_cpu_us=refusal,
        )


def refusal_cpu_us() -> dict[str, float]:
    """Return the CPU time of a call that the rate limit refuses, in microseconds; one call per second passes."""
    with product(rate_limit_per_second=1) as subject:
        h2load.run(subject.accepted(CALM), subject.port, REFUSALS // 10)
        before = accounting.measure_cost(subject.roots)
        answers = h2load.run(subject.accepted(CALM), subject.port, REFUSALS)
        spent = accounting.measure_cost(subject.roots).since(before)
    return {"envoy": round(spent["envoy"] / REFUSALS, 1), "generator": round(answers.cpu_us / REFUSALS, 1)}
