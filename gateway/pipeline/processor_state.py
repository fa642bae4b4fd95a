"""Derives the state of the processor: whether workers are alive, and whether they count the log. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.pipeline.sample import (
    DEGRADED,
    DOWN,
    REPORTED_SHARE,
    SILENCE_SECONDS,
    STALL_SECONDS,
    UNKNOWN,
    UP,
    Sample,
    State,
    counted,
    dead_letters,
    increase,
    span_seconds,
)
from runtime.kafka import topics
from runtime.kafka.offsets import Partition

# The samples span a little less than the time after which counting is stalled.
STALL_SPAN_SECONDS = 0.8 * STALL_SECONDS
NAMED_PARTITIONS = 3
# This many crashes of workers within ten minutes are reported.
REPORTED_CRASHES = 3
# Dead letters are reported from this many on.
REPORTED_RECORDS = 5


def processor_state(samples: Sequence[Sample], database: str, database_down: bool) -> State:
    """Return the state of the processor, which needs this database."""
    analytics = samples[-1].analytics
    if database_down:
        return State(DEGRADED, f"needs {database}")
    if analytics is None:
        return State(UNKNOWN, "unknown while analytics does not answer")
    if not analytics.workers:
        return State(DOWN, f"no heartbeat of a worker in the last {SILENCE_SECONDS:g} seconds")
    if analytics.silent_workers:
        known = analytics.workers + analytics.silent_workers
        return State(DEGRADED, f"{analytics.silent_workers} of {known} workers are silent")
    if analytics.paused_partitions:
        count = len(analytics.paused_partitions)
        words = "1 partition is paused: most of its" if count == 1 else f"{count} partitions are paused: most of their"
        return State(DEGRADED, f"{words} records are rejected")
    stalled = _stalled(samples)
    if stalled.value == UP and analytics.worker_crashes >= REPORTED_CRASHES:
        return State(DEGRADED, f"workers crashed {analytics.worker_crashes} times in the last ten minutes")
    return _rejecting(samples) if stalled.value == UP else stalled


def _stalled(samples: Sequence[Sample]) -> State:
    """Return whether events wait and none is counted, in all partitions or in some."""
    last = samples[-1]
    waiting = all(one.log is not None and one.log.lag > 0 for one in samples)
    if waiting and span_seconds(samples) >= STALL_SPAN_SECONDS and not increase(samples, counted):
        lag = last.log.lag if last.log is not None else 0
        return State(DEGRADED, f"{lag:,} events wait, none was counted in {STALL_SECONDS:g} seconds")
    if stalled := _stalled_partitions(samples):
        names = ", ".join(f"{topic}/{number}" for topic, number in stalled[:NAMED_PARTITIONS])
        more = f" and {len(stalled) - NAMED_PARTITIONS} more" if len(stalled) > NAMED_PARTITIONS else ""
        return State(DEGRADED, f"events wait in {names}{more}, none was counted there in {STALL_SECONDS:g} seconds")
    return State(UP)


def _stalled_partitions(samples: Sequence[Sample]) -> list[Partition]:
    """Return the partitions where events wait during all samples and the committed offset did not change."""
    first, last = samples[0].log, samples[-1].log
    if first is None or last is None or span_seconds(samples) < STALL_SPAN_SECONDS:
        return []
    return [
        partition
        for partition, end in sorted(first.stable_ends.items())
        if partition[0] in topics.EVENT_TOPICS
        and max(last.committed.get(partition, 0), last.starts.get(partition, 0)) < end
        and last.committed.get(partition) == first.committed.get(partition)
        and first.topic_ids.get(partition[0]) == last.topic_ids.get(partition[0])
    ]


def _rejecting(samples: Sequence[Sample]) -> State:
    """Return whether many of the records that were read became dead letters."""
    read, rejected = increase(samples, counted), increase(samples, dead_letters)
    if rejected >= max(REPORTED_RECORDS, REPORTED_SHARE * read):
        return State(DEGRADED, f"rejects {rejected / read:.0%} of {read:,} records: see `ordermesh dlq summary`")
    return State(UP)
