"""Writes dead letters: the bytes of rejected records, with the reason.

What Kafka refuses in a batch is sent again alone; what it refuses then is stored in the database, and the worker
continues.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Message

from processor.dead_letters import headers
from processor.events.batch import DeadLetter, Place, StoredRecord
from runtime.kafka import clients, size_limits, topics
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.errors import is_refused
from runtime.kafka.records import raw_headers
from runtime.kafka.records.raw_headers import RawHeaders
from runtime.kafka.renewed import Failures
from runtime.kafka.settings import KafkaSettings
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

# The sum is well below the server's timeout for idle transactions.
WRITE_SECONDS = 3.0
RAW_HEADERS_SECONDS = 3.0
# Kafka may be slow, or have deleted the record.
RAW_HEADERS_ATTEMPTS = 10


class DeadLetterNotWritten(Exception):
    """Kafka has not acknowledged a dead letter, so its partition must not advance past its record."""


class DeadLetterWriter:
    """Writes dead letters; connects on first use."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._batches: Outbound[Place] | None = None
        self._singles: Outbound[Place] | None = None
        # What each producer has sent or has queued, so that another attempt does not write it twice.
        self._in_batches: set[Place] = set()
        self._in_singles: set[Place] = set()
        self._written: dict[Place, tuple[int, int]] = {}
        self._raw: dict[Place, RawHeaders] = {}
        self._raw_attempts = 0
        self._failures = Failures()

    def write(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Write the dead letters that are not written yet, and set where they are.

        Blocks; raises DeadLetterNotWritten.
        """
        if not dead_letters:
            return
        raw = self._raw_headers([each.place for each in dead_letters if each.headers is None])
        deadline = time.monotonic() + WRITE_SECONDS
        try:
            refused = self._send(self._batch_producer(), self._in_batches, dead_letters, raw, deadline)
            if refused:
                refused = self._send(self._single_producer(), self._in_singles, refused, raw, deadline)
        except NotAcknowledged as error:
            if self._failures.failed():
                self._start_over()
            raise DeadLetterNotWritten(f"dead letters not written: {error}") from error
        self._failures.succeeded()
        for each in dead_letters:
            each.dlq_partition, each.dlq_offset = self._written.get(each.place, (None, None))
        if refused:
            self._store(refused, raw)

    def forget(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Forget dead letters that are recorded in the database."""
        for each in dead_letters:
            self._in_batches.discard(each.place)
            self._in_singles.discard(each.place)
            self._written.pop(each.place, None)
            self._raw.pop(each.place, None)
            for producer in filter(None, (self._batches, self._singles)):
                producer.errors.pop(each.place, None)

    def forget_all(self) -> None:
        """Forget all dead letters, as when offsets belong to another topic."""
        for producer in filter(None, (self._batches, self._singles)):
            producer.errors.clear()
        self._in_batches.clear()
        self._in_singles.clear()
        self._written.clear()
        self._raw.clear()

    def _send(
        self,
        producer: Outbound[Place],
        sent: set[Place],
        dead_letters: Sequence[DeadLetter],
        raw: Mapping[Place, RawHeaders],
        deadline: float,
    ) -> list[DeadLetter]:
        """Send what the producer has not sent yet, and return what Kafka refuses.

        Raises NotAcknowledged, and DeadLetterNotWritten for a transient error.
        """
        for each in dead_letters:
            if each.place in sent:
                continue
            message, topic = each.message, topics.DEAD_LETTER_TOPICS[each.place[0]]
            own_headers = headers.headers_of(each, raw)
            producer.put(each.place, topic, message.value(), message.key(), own_headers, deadline)
            sent.add(each.place)
        producer.wait(deadline)
        transient = {error.name() for error in producer.errors.values() if not is_refused(error)}
        answered = producer.errors.keys() | self._written.keys()
        if transient or any(each.place not in answered for each in dead_letters):
            self._start_over()
            raise DeadLetterNotWritten(f"dead letters not written: {', '.join(sorted(transient)) or 'no answer'}")
        return [each for each in dead_letters if each.place in producer.errors]

    def _store(self, refused: Sequence[DeadLetter], raw: Mapping[Place, RawHeaders]) -> None:
        """Have the bytes of these records stored in the database."""
        errors = self._single_producer().errors
        for each in refused:
            topic, partition, offset = each.place
            cause = errors[each.place].str()
            logger().error("dead letter refused", topic=topic, partition=partition, offset=offset, error=cause)
            own = raw.get(each.place) or [(name.encode(), value) for name, value in each.headers or []]
            each.stored = StoredRecord(each.message.key(), each.message.value(), headers.encode(own))
        metrics.DEAD_LETTERS_REJECTED.inc(len(refused))

    def _raw_headers(self, places: Sequence[Place]) -> Mapping[Place, RawHeaders]:
        """Read the headers that the client could not read; after the last attempt a dead letter is written without.

        Raises DeadLetterNotWritten while another attempt may read more.
        """
        missing = [place for place in places if place not in self._raw]
        if not missing:
            return self._raw
        try:
            found = raw_headers.read(self._settings, f"{self._client_id}-headers", missing, RAW_HEADERS_SECONDS)
        except (OSError, AttributeError) as error:
            logger().warning("raw headers cannot be read", error=error)
            return self._raw
        self._raw |= found
        if len(found) < len(missing) and self._raw_attempts < RAW_HEADERS_ATTEMPTS:
            self._raw_attempts += 1
            raise DeadLetterNotWritten("raw headers of dead letters not read yet")
        self._raw_attempts = 0
        return self._raw

    def _batch_producer(self) -> Outbound[Place]:
        if self._batches is None:
            size_bytes = size_limits.known_batch_bytes(
                self._settings, f"{self._client_id}-limits", list(topics.DEAD_LETTER_TOPICS.values())
            )
            self._batches = self._new_producer({"batch.size": size_bytes})
        return self._batches

    def _single_producer(self) -> Outbound[Place]:
        if self._singles is None:
            self._singles = self._new_producer(ONE_BY_ONE)
        return self._singles

    def _new_producer(self, properties: Mapping[str, int]) -> Outbound[Place]:
        overrides = {**size_limits.AS_LARGE_AS_THE_BROKER_TAKES, **properties}
        client = clients.producer(self._settings, f"{self._client_id}-dead-letters", overrides)
        return Outbound(client, self._note_written)

    def _note_written(self, place: Place, message: Message) -> None:
        self._written[place] = (message.partition() or 0, message.offset() or 0)

    def _start_over(self) -> None:
        """Start over with new producers: what these have queued may then be written twice."""
        for producer in filter(None, (self._batches, self._singles)):
            producer.close()
        self._batches = self._singles = None
        self.forget_all()
