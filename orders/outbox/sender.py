"""Sends events to Kafka and returns the result of each; rejections do not change the order of an order's events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from confluent_kafka import KafkaError

from orders.outbox.batch_size import BatchSize
from orders.outbox.publish_spans import PublishSpans
from orders.outbox.unsent_event import DESTINATIONS, UnsentEvent, headers_of
from orders.settings import PublisherSettings
from runtime.kafka import clients, size_limits
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.errors import is_about_record
from runtime.telemetry import metrics

# Keys whose batch was rejected, and which are sent alone; removing one early costs another rejection.
MAX_SUSPECTS = 10_000


class KafkaUnavailable(Exception):
    """Kafka did not acknowledge in time; no event is known to be stored or rejected."""


@dataclass(slots=True)
class SendResult:
    """Events by result: acknowledged; rejected when sent alone, with the cause; to be sent again, alone."""

    sent: list[UnsentEvent] = field(default_factory=list)
    rejected: list[tuple[UnsentEvent, str]] = field(default_factory=list)
    retry_alone: list[UnsentEvent] = field(default_factory=list)


class Sender:
    """The Kafka producers of one publisher.

    A broker rejects a whole batch because of one record. The events of such a batch are sent again, each in a batch of
    its own; those that are rejected then are DEAD.
    """

    def __init__(self, settings: PublisherSettings, process: str, spans: PublishSpans) -> None:
        self._settings = settings
        self._spans = spans
        self._process = process
        self._batches: Outbound[int] | None = None
        self._singles: Outbound[int] | None = None
        # Keys of events whose batch was rejected.
        self._suspects: set[str] = set()
        # Ids of the events that were sent last in a batch of their own.
        self._alone: set[int] = set()
        self._deadline = 0.0
        self._batch_size = BatchSize(settings, process)

    def prepare(self) -> None:
        """Create the producer with the batch size that the topics allow. Blocks: call it outside of a transaction."""
        if self._batch_size.refresh():
            self._batches = None
        if self._batches is None:
            self._batches = self._new_producer(size_limits.batches_within(self._batch_size.max_bytes))

    def send(self, events: Sequence[UnsentEvent]) -> None:
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

    def wait(self, events: Sequence[UnsentEvent]) -> SendResult:
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

    def _put(self, producer: Outbound[int], event: UnsentEvent) -> bool:
        topic = DESTINATIONS[event.event_type][0]
        headers = headers_of(event.event_type, self._spans.traceparent(event), event.baggage)
        return producer.put(event.id, topic, event.payload, event.key, headers, self._deadline)

    def _send_alone(self, event: UnsentEvent) -> None:
        if self._singles is None:
            self._singles = self._new_producer(ONE_BY_ONE | size_limits.BROKER_DECIDES)
        self._alone.add(event.id)
        self._put(self._singles, event)

    def _classify(self, events: Sequence[UnsentEvent], errors: dict[int, KafkaError]) -> SendResult:
        result = SendResult()
        for event in events:
            error = errors.get(event.id)
            if error is None:
                result.sent.append(event)
            elif event.id in self._alone:
                result.rejected.append((event, self._cause(event, error)))
            else:
                if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    self._batch_size.report_too_large()
                result.retry_alone.append(event)
        self._suspects -= {event.key for event in result.sent} | {event.key for event, _ in result.rejected}
        self._isolate(result.retry_alone)
        return result

    def _cause(self, event: UnsentEvent, error: KafkaError) -> str:
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            return error.str()
        size_bytes, limit = len(event.payload), self._batch_size.limit(DESTINATIONS[event.event_type][0])
        # A limit above the size was lowered since it was read.
        known = f"; the topic allows {limit:,}" if 0 < limit < size_bytes else ""
        return f"{error.str()} ({size_bytes:,} bytes{known})"

    def _isolate(self, events: Sequence[UnsentEvent]) -> None:
        """Send events with the keys of these alone, until they are sent or rejected."""
        if not events:
            return
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.clear()
        self._suspects.update(event.key for event in events)
        metrics.PUBLISH_FAILURES.labels("batch").inc()

    def _new_producer(self, properties: dict[str, int]) -> Outbound[int]:
        overrides = {"delivery.report.only.error": True, "queue.buffering.max.messages": 100_000}
        return Outbound(clients.producer(self._settings, self._process, overrides | properties))

    def _fail(self, cause: str) -> NoReturn:
        """Close the producers and raise KafkaUnavailable; events in flight may be stored, and will be duplicates."""
        self.close()
        metrics.PUBLISH_FAILURES.labels("kafka").inc()
        raise KafkaUnavailable(cause)
