"""Derives the state of the publisher: whether its heartbeat continues, and whether events reach Kafka. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.ledger_pb2 import GetOrderProgressResponse

from gateway.pipeline.sample import (
    DEGRADED,
    DOWN,
    SILENCE_SECONDS,
    STALL_SECONDS,
    UNKNOWN,
    UP,
    Sample,
    State,
    increase,
    published,
)

# An event that is pending for this long is reported even if others are published.
LATE_SECONDS = 60.0


class HeartbeatMonitor:
    """Decides whether a heartbeat continues, by the gateway's clock: the database's clock may differ."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._changed_seconds = 0.0

    def is_alive(self, heartbeat_time: Timestamp, sample: Sample) -> bool:
        """Note the time of the latest heartbeat, and return whether the last new one is recent."""
        latest = (heartbeat_time.seconds, heartbeat_time.nanos)
        if self._last is None:
            age_seconds = sample.read_time.timestamp() - heartbeat_time.seconds
            self._changed_seconds = sample.taken_seconds - max(0.0, age_seconds)
        elif latest != self._last:
            self._changed_seconds = sample.taken_seconds
        self._last = latest
        return sample.taken_seconds - self._changed_seconds < SILENCE_SECONDS


def publisher_state(
    samples: Sequence[Sample], heartbeat: HeartbeatMonitor, database: str, database_down: bool
) -> State:
    """Return the state of the publisher, which needs this database."""
    last = samples[-1]
    orders = last.orders
    if database_down:
        return State(DEGRADED, f"needs {database}")
    if orders is None:
        return State(UNKNOWN, "unknown while orders does not answer")
    if not orders.HasField("publisher_heartbeat_time"):
        return State(DOWN, "no heartbeat yet")
    if not heartbeat.is_alive(orders.publisher_heartbeat_time, last):
        return State(DOWN, f"no heartbeat for {SILENCE_SECONDS:g} seconds")
    return _publishing_state(samples, orders)


def _publishing_state(samples: Sequence[Sample], orders: GetOrderProgressResponse) -> State:
    """Return whether a running publisher publishes its events."""
    last = samples[-1]
    stalled = orders.pending > 0 and orders.oldest_pending_seconds > STALL_SECONDS and not increase(samples, published)
    if "kafka" in last.problems and stalled:
        return State(DEGRADED, "needs kafka")
    if stalled or (orders.pending and orders.oldest_pending_seconds > LATE_SECONDS):
        return State(DEGRADED, f"an event is pending for {orders.oldest_pending_seconds:,.0f} seconds")
    if orders.dead:
        events = "1 event is" if orders.dead == 1 else f"{orders.dead:,} events are"
        return State(DEGRADED, f"{events} dead, refused by Kafka: see `ordermesh dlq summary`")
    return State(UP)
