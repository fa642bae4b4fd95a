"""Sends events to Kafka and returns the result of each; rejections do not change the order of an order's events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException
from ordermesh.events.v1.events_pb2 import EventType

from orders.settings import PublisherSettings
from runtime.kafka import clients, size_limits, topics
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.errors import is_about_record
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

# Keys whose batch was rejected, and which are sent alone; removing one early costs another rejection.
MAX_SUSPECTS = 10_000
LIMITS_MAX_AGE_SECONDS = 600.0

# By event type: the topic, and the headers that all events of the type have.
DESTINATIONS = {
    number: (topic, (("event-type", name), ("content-type", topics.CONTENT_TYPES[topic])))
    for name, number in EventType.items()
    for topic in (topics.topic_of(number),)
}


class Event(NamedTuple):
    """An unsent row of the outbox."""

    id: int
    shard: int
    event_type: int
    key: str
    payload: bytes
    traceparent: str
    occur_us: int


class KafkaUnavailable(Exception):
    """Kafka did not acknowledge in time; no event is known to be stored or rejected."""


@dataclass(slots=True)
class SendResult:
    """Events by result: acknowledged; rejected when sent alone, with the cause; to be sent again, alone."""

    sent: list[Event] = field(default_factory=list)
    rejected: list[tuple[Event, str]] = field(default_factory=list)
    retry_alone: list[Event] = field(default_factory=list)


def has_sequence(event: Event) -> bool:
    """Return whether an event belongs to an order and has to arrive in order; stock events do not."""
    return event.event_type < topics.FIRST_STOCK_TYPE


def one_per_order(events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events that may be sent now, and those whose order has an earlier event among them.

    A rejected batch does not stop the next batch of its partition, so at most one event of an order is in flight. Stock
    events need no order: a popular product has thousands.
    """
    now: list[Event] = []
    later: list[Event] = []
    keys: set[str] = set()
    for event in events:
        if event.key not in keys or not has_sequence(event):
            keys.add(event.key)
            now.append(event)
        else:
            later.append(event)
    return now, later


class Sender:
    """The Kafka producers of one publisher.

    A broker rejects a whole batch because of one record. The events of such a batch are sent again, each in a batch of
    its own; those that are rejected then are DEAD.
    """

    def __init__(self, settings: PublisherSettings, process: str) -> None:
        self._settings = settings
        self._process = process
        self._batches: Outbound[int] | None = None
        self._singles: Outbound[int] | None = None
        # Keys of events whose batch was rejected.
        self._suspects: set[str] = set()
        # Ids of the events that were sent last in a batch of their own.
        self._alone: set[int] = set()
        self._deadline = 0.0
        self._batch_bytes = size_limits.DEFAULT_BATCH_BYTES
        self._limits: dict[str, int] = {}
        self._limits_end_at = 0.0
        self._too_large = self._denial_logged = False

    def prepare(self) -> None:
        """Create the producer with the batch size that the topics allow. Blocks: call it outside of a transaction."""
        now = time.monotonic()
        if now >= self._limits_end_at:
            size_bytes = self._allowed_bytes()
            self._limits_end_at, self._too_large = now + LIMITS_MAX_AGE_SECONDS, False
            if size_bytes != self._batch_bytes:
                self._batch_bytes, self._batches = size_bytes, None
        if self._batches is None:
            self._batches = self._new_producer(size_limits.batches_within(self._batch_bytes))

    def send(self, events: Sequence[Event]) -> None:
        """Send events, at most one of each order, without waiting for acknowledgements. Raises KafkaUnavailable."""
        self._deadline = time.monotonic() + self._settings.publisher_ack_seconds
        self._alone.clear()
        for each in self._producers():
            each.errors.clear()
        assert self._batches is not None  # noqa: S101  # prepare was called
        try:
            for event in events:
                if event.key in self._suspects:
                    self._send_alone(event)
                elif not self._put(self._batches, event) and is_about_record(self._batches.errors[event.id]):
                    # Larger than a batch may be.
                    del self._batches.errors[event.id]
                    self._send_alone(event)
        except NotAcknowledged as error:
            self._fail(str(error))

    def wait(self, events: Sequence[Event]) -> SendResult:
        """Wait until each of the sent events is acknowledged or rejected. Raises KafkaUnavailable."""
        errors: dict[int, KafkaError] = {}
        try:
            for each in self._producers():
                each.wait(self._deadline)
                errors |= each.errors
        except NotAcknowledged as error:
            self._fail(str(error))
        if names := {error.name() for error in errors.values() if not is_about_record(error)}:
            self._fail(f"events not acknowledged: {', '.join(sorted(names))}")
        if not errors and not self._suspects:
            return SendResult(sent=list(events))
        return self._classify(events, errors)

    def close(self) -> None:
        """Drop events that are not acknowledged; they stay unsent in the outbox."""
        for each in self._producers():
            each.close()
        self._batches = self._singles = None

    def _producers(self) -> list[Outbound[int]]:
        return [each for each in (self._batches, self._singles) if each is not None]

    def _put(self, producer: Outbound[int], event: Event) -> bool:
        topic, own = DESTINATIONS[event.event_type]
        headers = [("traceparent", event.traceparent), *own]
        return producer.put(event.id, topic, event.payload, event.key, headers, self._deadline)

    def _send_alone(self, event: Event) -> None:
        if self._singles is None:
            self._singles = self._new_producer(ONE_BY_ONE | size_limits.BROKER_DECIDES)
        self._alone.add(event.id)
        self._put(self._singles, event)

    def _classify(self, events: Sequence[Event], errors: dict[int, KafkaError]) -> SendResult:
        result = SendResult()
        for event in events:
            error = errors.get(event.id)
            if error is None:
                result.sent.append(event)
            elif event.id in self._alone:
                result.rejected.append((event, self._cause(event, error)))
            else:
                self._too_large |= error.code() == KafkaError.MSG_SIZE_TOO_LARGE
                result.retry_alone.append(event)
        self._suspects -= {event.key for event in result.sent} | {event.key for event, _ in result.rejected}
        self._isolate(result.retry_alone)
        return result

    def _cause(self, event: Event, error: KafkaError) -> str:
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            return error.str()
        size_bytes, limit = len(event.payload), self._limits.get(DESTINATIONS[event.event_type][0], 0)
        # A limit above the size was lowered since it was read.
        known = f"; the topic allows {limit:,}" if 0 < limit < size_bytes else ""
        return f"{error.str()} ({size_bytes:,} bytes{known})"

    def _isolate(self, events: Sequence[Event]) -> None:
        """Send the events with these keys alone from now on, and read the size limits of the topics again."""
        if not events:
            return
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.clear()
        self._suspects.update(event.key for event in events)
        metrics.PUBLISH_FAILURES.labels("batch").inc()
        if self._too_large:
            self._limits_end_at = 0.0

    def _allowed_bytes(self) -> int:
        """Return the maximum batch size: the limit of the topics, else half of the size that was rejected."""
        try:
            client = clients.admin(self._settings, f"{self._process}-limits")
            self._limits = size_limits.read_limits(client, topics.EVENT_TOPICS)
        except PermissionError as error:
            if not self._denial_logged:
                self._denial_logged = True
                logger().warning(
                    "size limits of topics unreadable, events of rejected batches are sent again one by one",
                    error=str(error),
                )
        except KafkaException:
            # Sending the events reports the outage.
            pass
        else:
            return size_limits.batch_bytes(self._limits.values())
        return max(self._batch_bytes // 2, size_limits.MIN_MESSAGE_BYTES) if self._too_large else self._batch_bytes

    def _new_producer(self, properties: dict[str, int]) -> Outbound[int]:
        overrides = {"delivery.report.only.error": True, "queue.buffering.max.messages": 100_000}
        return Outbound(clients.producer(self._settings, self._process, overrides | properties))

    def _fail(self, cause: str) -> NoReturn:
        """Close the producers and raise KafkaUnavailable; events in flight may be stored, and will be duplicates."""
        self.close()
        metrics.PUBLISH_FAILURES.labels("kafka").inc()
        raise KafkaUnavailable(cause)
