"""Hands events to Kafka and tells what became of each: an order's events arrive in order, whatever Kafka refuses."""

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

# So many keys are remembered whose batch was refused; to forget one costs another refusal.
MAX_SUSPECTS = 10_000
LIMIT_AGE_SECONDS = 600.0

# By type of event: its topic, and the headers that all events of it have.
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


class KafkaDown(Exception):
    """Kafka did not acknowledge in time; nothing was marked."""


@dataclass(slots=True)
class Outcome:
    """What became of events: `dead` ones were refused alone, each with its cause; `again` are to be sent alone."""

    sent: list[Event] = field(default_factory=list)
    dead: list[tuple[Event, str]] = field(default_factory=list)
    again: list[Event] = field(default_factory=list)


def has_sequence(event: Event) -> bool:
    """Tell whether an event is one of an order, to arrive in order; those of stock stand for themselves."""
    return event.event_type < topics.FIRST_STOCK_TYPE


def in_turn(events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events that may be sent at once, and those whose order has an earlier one among them.

    A refused batch does not stop the next one of its partition, so an order has one event on its way at a time. A
    product in demand has thousands of events, which need not wait for each other.
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
    """Kafka's producers of one publisher.

    A broker refuses a batch for one record in it. The events of such a batch are sent again, each in a batch of its
    own: what is refused then is dead, and the others are sent.
    """

    def __init__(self, settings: PublisherSettings, process: str) -> None:
        self._settings = settings
        self._process = process
        self._batches: Outbound[int] | None = None
        self._singles: Outbound[int] | None = None
        # Keys of events whose batch was refused.
        self._suspects: set[str] = set()
        # Of the events that were sent last, those in a batch of their own.
        self._alone: set[int] = set()
        self._deadline = 0.0
        self._batch_bytes = size_limits.DEFAULT_BATCH_BYTES
        self._limits: dict[str, int] = {}
        self._limits_end_at = 0.0
        self._too_large = self._told_denied = False

    def prepare(self) -> None:
        """Have a producer whose batches the topics take. Blocks for a moment, so call it outside of a transaction."""
        now = time.monotonic()
        if now >= self._limits_end_at:
            size_bytes = self._allowed_bytes()
            self._limits_end_at, self._too_large = now + LIMIT_AGE_SECONDS, False
            if size_bytes != self._batch_bytes:
                self._batch_bytes, self._batches = size_bytes, None
        if self._batches is None:
            self._batches = self._new_producer(size_limits.batches_within(self._batch_bytes))

    def send(self, events: Sequence[Event]) -> None:
        """Hand events to Kafka's client, at most one of an order. Raises KafkaDown."""
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
                    # Larger than batches may be.
                    del self._batches.errors[event.id]
                    self._send_alone(event)
        except NotAcknowledged as error:
            self._give_up(str(error))

    def outcome(self, events: Sequence[Event]) -> Outcome:
        """Wait until each of the events that were sent is acknowledged or refused. Raises KafkaDown."""
        errors: dict[int, KafkaError] = {}
        try:
            for each in self._producers():
                each.wait(self._deadline)
                errors |= each.errors
        except NotAcknowledged as error:
            self._give_up(str(error))
        if names := {error.name() for error in errors.values() if not is_about_record(error)}:
            self._give_up(f"events not acknowledged: {', '.join(sorted(names))}")
        if not errors and not self._suspects:
            return Outcome(sent=list(events))
        return self._sorted_out(events, errors)

    def close(self) -> None:
        """Give up what is not sent; it stays unsent in the outbox."""
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

    def _sorted_out(self, events: Sequence[Event], errors: dict[int, KafkaError]) -> Outcome:
        outcome = Outcome()
        for event in events:
            error = errors.get(event.id)
            if error is None:
                outcome.sent.append(event)
            elif event.id in self._alone:
                outcome.dead.append((event, self._cause(event, error)))
            else:
                self._too_large |= error.code() == KafkaError.MSG_SIZE_TOO_LARGE
                outcome.again.append(event)
        self._suspects -= {event.key for event in outcome.sent} | {event.key for event, _ in outcome.dead}
        self._suspect(outcome.again)
        return outcome

    def _cause(self, event: Event, error: KafkaError) -> str:
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            return error.str()
        size_bytes, limit = len(event.payload), self._limits.get(DESTINATIONS[event.event_type][0], 0)
        # A limit that is above was lowered since.
        known = f"; the topic takes {limit:,}" if 0 < limit < size_bytes else ""
        return f"{error.str()} ({size_bytes:,} bytes{known})"

    def _suspect(self, events: Sequence[Event]) -> None:
        """Send these events alone from now on, and look at the limits of the topics again."""
        if not events:
            return
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.clear()
        self._suspects.update(event.key for event in events)
        metrics.PUBLISH_FAILURES.labels("batch").inc()
        if self._too_large:
            self._limits_end_at = 0.0

    def _allowed_bytes(self) -> int:
        """Return how large batches may be: as the topics say, else half of what was refused."""
        try:
            client = clients.admin(self._settings, f"{self._process}-limits")
            self._limits = size_limits.read_limits(client, topics.EVENT_TOPICS)
        except PermissionError as error:
            if not self._told_denied:
                self._told_denied = True
                logger().warning("batches that are too large will be sent again one by one", error=str(error))
        except KafkaException:
            # An outage is told of where events are sent.
            pass
        else:
            return size_limits.batch_bytes(self._limits.values())
        return max(self._batch_bytes // 2, size_limits.MIN_MESSAGE_BYTES) if self._too_large else self._batch_bytes

    def _new_producer(self, properties: dict[str, int]) -> Outbound[int]:
        overrides = {"delivery.report.only.error": True, "queue.buffering.max.messages": 100_000}
        return Outbound(clients.producer(self._settings, self._process, overrides | properties))

    def _give_up(self, cause: str) -> NoReturn:
        """Drop what is not acknowledged, and the producers: what they sent may be there, then twice."""
        self.close()
        metrics.PUBLISH_FAILURES.labels("kafka").inc()
        raise KafkaDown(cause)
