"""How fresh the metrics are: up to when they include all that Kafka had accepted."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from ordermesh.analytics.v1.analytics_pb2 import Freshness

from processor.events.resume_positions import Position
from runtime.kafka import clients, offsets, topics
from runtime.kafka.offsets import Partition, PartitionOffsets
from runtime.kafka.renewed import Renewed
from runtime.kafka.settings import KafkaSettings
from runtime.timestamps import from_datetime

EVERY_SECONDS = 1.0
ASK_SECONDS = 5.0
CLIENT_ID = "ordermesh-analytics"
# More samples than these are thinned out: those of the last minutes stay, of older ones every second.
MAX_SAMPLES, LATEST_SAMPLES = 240, 120

Log = Mapping[Partition, PartitionOffsets]
Positions = Mapping[Partition, Position]


class Sample(NamedTuple):
    """The ends of the log, which were read after this time."""

    at: datetime
    log: Log

    def is_counted(self, positions: Positions) -> bool:
        """Return whether all that the log had is counted, or is a dead letter."""
        return not lag(self.log, positions)


class LogSamples:
    """Samples of the ends of the log, the latest last; for several threads."""

    def __init__(self) -> None:
        self._samples: Sequence[Sample] = ()

    def add(self, sample: Sample) -> None:
        """Add the latest sample. Only one thread adds."""
        samples = [*self._samples, sample]
        if len(samples) > MAX_SAMPLES:
            samples = samples[:-LATEST_SAMPLES:2] + samples[-LATEST_SAMPLES:]
        self._samples = samples

    def freshness(self, positions: Positions, now: datetime) -> Freshness:
        """Return how fresh metrics are that were read after these positions."""
        samples = self._samples
        at = next((sample.at for sample in reversed(samples) if sample.is_counted(positions)), None)
        if at is None:
            return Freshness()
        lag_ms = max(0.0, (now - at).total_seconds() * 1000)
        return Freshness(as_of_time=from_datetime(at), lag_ms=lag_ms, lag_events=lag(samples[-1].log, positions))


def lag(log: Log, positions: Positions) -> int:
    """Return the number of offsets of a log that are not counted; those of a topic that was recreated are not."""
    missing = 0
    for partition, found in log.items():
        position = positions.get(partition)
        counted = position.next_offset if position is not None and position.topic_id == found.topic_id else 0
        missing += max(0, found.end_offset - max(counted, found.start_offset))
    return missing


def read_log(client: AdminClient) -> Log:
    """Return the offsets of the topics of events. Raises KafkaException and TimeoutError."""
    found = offsets.describe_topics(client, topics.EVENT_TOPICS, ASK_SECONDS)
    partitions = [each for name, topic in found.items() for each in topic.partitions_of(name)]
    starts = offsets.log_start_offsets(client, partitions, ASK_SECONDS)
    ends = offsets.log_end_offsets(client, partitions, ASK_SECONDS)
    return {each: PartitionOffsets(found[each[0]].topic_id, starts[each], ends[each]) for each in partitions}


def sample_log(settings: KafkaSettings, samples: LogSamples, stop: threading.Event) -> None:
    """Sample the ends of the log once a second until `stop`; while Kafka does not answer, the last samples stay."""
    client = Renewed(lambda: clients.silent_admin(settings, CLIENT_ID))
    while not stop.is_set():
        started = time.monotonic()
        at = datetime.now(UTC)
        # While Kafka does not answer, which the status says, the metrics are as of before.
        with contextlib.suppress(KafkaException, TimeoutError), client.requests() as asked:
            samples.add(Sample(at, read_log(asked)))
        stop.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - started)))
