"""Reads metadata of the worker's partitions from Kafka: topic ids, first and end offsets."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from processor.events.batch import OffsetRange
from runtime.kafka import clients, offsets, topics
from runtime.kafka.offsets import Partition, PartitionOffsets
from runtime.kafka.renewed import Renewed
from runtime.kafka.settings import KafkaSettings
from runtime.telemetry.outage import Outage

TIMEOUT_SECONDS = 5.0
# A recreated topic is noticed within this time at the latest.
PERIOD_SECONDS = 5.0


class TopicMetadata:
    """Uses an admin client of its own, which connects on first use."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._client = Renewed(lambda: clients.admin(settings, f"{client_id}-metadata"))
        self._gaps: dict[Partition, list[tuple[int, int]]] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._asked_at = time.monotonic()
        self._answered_at = -math.inf
        self._outage = Outage("reading topic ids")

    def offsets_of(self, partitions: Iterable[Partition]) -> dict[Partition, PartitionOffsets]:
        """Return the offsets of partitions. Blocks; raises KafkaException, also for a partition that does not exist."""
        wanted = set(partitions)
        with self._client.requests() as client:
            found = offsets.partition_offsets(client, wanted, TIMEOUT_SECONDS)
        if gone := wanted - found.keys():
            topic, partition = min(gone)
            message = f"{topic}/{partition} does not exist"
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION, message))
        return found

    def refreshed_topic_ids(self) -> dict[str, UUID]:
        """Return the ids of the event topics once per period, when Kafka has answered; does not block."""
        if not self._asked and time.monotonic() - self._asked_at >= PERIOD_SECONDS:
            client = self._client.get()
            # The client keeps its log messages in memory until it is polled.
            client.poll(0)
            asked = TopicCollection(list(topics.EVENT_TOPICS))
            self._asked = client.describe_topics(asked, request_timeout=TIMEOUT_SECONDS)
            self._asked_at = time.monotonic()
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return {}
        answers, self._asked = self._asked, {}
        ids: dict[str, UUID] = {}
        for name, future in answers.items():
            if error := future.exception():
                # Its frames refer to the future that refers to it: a reference cycle of 7 KiB per call.
                self._outage.begins(error.with_traceback(None))
            else:
                ids[name] = offsets.read_topic(future.result()).topic_id
        if len(ids) == len(answers):
            self._outage.ends()
            self._client.succeeded()
            self._answered_at = time.monotonic()
        else:
            self._client.failed()
        return ids

    def was_answered(self) -> bool:
        """Return whether Kafka answered lately."""
        return time.monotonic() - self._answered_at < 2 * PERIOD_SECONDS

    def deleted_in_gaps(self, ranges: Mapping[Partition, OffsetRange]) -> Counter[Partition]:
        """Return how many offsets in the gaps of these ranges were deleted before they were read.

        The others never held an event: transaction markers, aborted records, records that compaction removed.
        """
        for partition, covered in ranges.items():
            if covered.gaps:
                self._gaps.setdefault(partition, []).extend(covered.gaps)
        deleted: Counter[Partition] = Counter()
        if not self._gaps:
            return deleted
        try:
            with self._client.requests() as client:
                starts = offsets.log_start_offsets(client, self._gaps, TIMEOUT_SECONDS)
        except KafkaException:
            # Asked again with the next batch.
            return deleted
        for partition, gaps in self._gaps.items():
            deleted[partition] = sum(max(0, min(end, starts[partition]) - first) for first, end in gaps)
        self._gaps.clear()
        return +deleted
