"""A sample: what all components reported at one time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse
from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse

from gateway.backends.grpc_backend import Process
from gateway.backends.topic_state import LogState

Component = PipelineStatus.Component
UP, DOWN, DEGRADED, DRAINING = Component.UP, Component.DOWN, Component.DEGRADED, Component.DRAINING
UNKNOWN = Component.STATE_UNSPECIFIED
# A component that was not heard of for this long is down.
SILENCE_SECONDS = 10.0
# Work is stalled when events wait for this long and none makes progress.
STALL_SECONDS = 10.0
# Failures are reported from this share on.
REPORTED_SHARE = 0.05


@dataclass(frozen=True)
class Sample:
    """What the components reported at one time; None where one did not answer, with the reason in `problems`."""

    # By the monotonic clock.
    taken_seconds: float
    read_time: datetime
    orders: GetOrderProgressResponse | None = None
    analytics: GetAnalyticsProgressResponse | None = None
    log: LogState | None = None
    problems: dict[str, str] = field(default_factory=dict)
    orders_processes: Sequence[Process] = ()
    analytics_processes: Sequence[Process] = ()
    # The time since Envoy's last health check of the gateway; None before the first.
    envoy_seen_seconds: float | None = None
    draining: bool = False


@dataclass(frozen=True)
class State:
    """The state of a component, and why it is not UP."""

    value: Component.State
    message: str = ""


Count = Callable[[Sample], int | None]


def counted(sample: Sample) -> int | None:
    """Return the number of records that were counted or became dead letters."""
    return None if sample.analytics is None else sample.analytics.counted_total + sample.analytics.dead_letters_total


def dead_letters(sample: Sample) -> int | None:
    """Return the number of records that became dead letters."""
    return None if sample.analytics is None else sample.analytics.dead_letters_total


def published(sample: Sample) -> int | None:
    """Return the number of published events."""
    return None if sample.orders is None else sample.orders.published_total


def span_seconds(samples: Sequence[Sample]) -> float:
    """Return the time between the first and the last sample."""
    return samples[-1].taken_seconds - samples[0].taken_seconds


def increase(samples: Sequence[Sample], count: Count) -> int:
    """Return the increase of a count over the samples."""
    known = [number for one in samples if (number := count(one)) is not None]
    return max(0, known[-1] - known[0]) if known else 0


def per_second(samples: Sequence[Sample], count: Count) -> float:
    """Return the rate of a count between the first and the last sample that have it; 0 with fewer than two."""
    known = [(one.taken_seconds, number) for one in samples if (number := count(one)) is not None]
    if len(known) < 2:
        return 0.0
    (first_seconds, first), (last_seconds, last) = known[0], known[-1]
    return round(max(0, last - first) / (last_seconds - first_seconds), 1)


def call_totals(answering: Sequence[GetProcessHealthResponse]) -> tuple[int, int, int]:
    """Return the numbers of calls, of refused and of failed ones, over several processes."""
    calls = sum(one.calls for one in answering)
    return calls, sum(one.refused for one in answering), sum(one.failed for one in answering)
