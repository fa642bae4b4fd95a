"""What a worker asks Kafka about its partitions besides their events: their topics' ids, begins and ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from processor.events.batch import Span
from runtime.kafka import clients, offsets, topics
from runtime.kafka.offsets import Partition, PartitionOffsets
from runtime.settings import Settings
from runtime.telemetry.outage import Outage

TIMEOUT_SECONDS = 5.0
# A topic that is made again is noticed within this time when nothing else tells.
PERIOD_SECONDS = 5.0


class LogExtents:
    """Asks with a client of its own, which connects when it is needed."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._settings, self._client_id = settings, client_id
        self._known_client: AdminClient | None = None
        self._gaps: dict[Partition, list[tuple[int, int]]] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._asked_at = time.monotonic()
        self._outage = Outage("asking for the ids of topics")

    def of(self, partitions: Iterable[Partition]) -> dict[Partition, PartitionOffsets]:
        """Return what partitions hold. Blocks; raises KafkaException, also for a partition that does not exist."""
        wanted = set(partitions)
        found = offsets.partition_offsets(self._client, wanted, TIMEOUT_SECONDS)
        if gone := wanted - found.keys():
            topic, partition = min(gone)
            message = f"{topic}/{partition} does not exist"
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION, message))
        return found

    def changed_ids(self) -> dict[str, UUID]:
        """Return the ids of the topics of events when it is time and Kafka has told them; does not wait."""
        if not self._asked and time.monotonic() - self._asked_at >= PERIOD_SECONDS:
            # What the client has logged waits in its memory until somebody takes it.
            self._client.poll(0)
            asked = TopicCollection(list(topics.EVENT_TOPICS))
            self._asked = self._client.describe_topics(asked, request_timeout=TIMEOUT_SECONDS)
            self._asked_at = time.monotonic()
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return {}
        answers, self._asked = self._asked, {}
        ids: dict[str, UUID] = {}
        for name, future in answers.items():
            if error := future.exception():
                # Its frames hold the future that holds it: a cycle of 7 KiB for each call.
                self._outage.begins(error.with_traceback(None))
            else:
                ids[name] = offsets.read_topic(future.result()).topic_id
        if len(ids) == len(answers):
            self._outage.ends()
        return ids

    def lost(self, spans: Mapping[Partition, Span]) -> Counter[Partition]:
        """Return how many of the offsets that spans skipped were deleted before they were read.

        The others never held an event: markers of transactions, records of aborted ones, what compaction removed.
        """
        for place, span in spans.items():
            if span.gaps:
                self._gaps.setdefault(place, []).extend(span.gaps)
        lost: Counter[Partition] = Counter()
        if not self._gaps:
            return lost
        try:
            firsts = offsets.log_start_offsets(self._client, self._gaps, TIMEOUT_SECONDS)
        except KafkaException:
            # Asked again with the next batch.
            return lost
        for place, gaps in self._gaps.items():
            lost[place] = sum(max(0, min(end, firsts[place]) - begin) for begin, end in gaps)
        self._gaps.clear()
        return +lost

    @property
    def _client(self) -> AdminClient:
        if self._known_client is None:
            self._known_client = clients.admin(self._settings, f"{self._client_id}-extents")
        return self._known_client
