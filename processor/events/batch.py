"""Sorts what a worker read from the log into events to count and dead letters to park."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from confluent_kafka import Message

from processor.events.decode import Event, Poison, Reason, Window, decode
from processor.events.positions import Mark
from runtime.kafka.headers import Headers, UnreadableHeaders, last_value, read_headers
from runtime.kafka.offsets import NO_TOPIC, Partition
from runtime.telemetry import trace_context
from runtime.telemetry.trace_context import TraceContext

Place = tuple[str, int, int]
# The last digit of a traceparent whose trace is followed in the logs.
SAMPLED_DIGITS = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))


@dataclass(frozen=True, slots=True)
class Kept:
    """The bytes of an event whose dead letter Kafka refuses; its headers are the text that a letter has of them."""

    key: bytes | None
    value: bytes | None
    headers: str


@dataclass(slots=True)
class Parked:
    """A message that cannot be counted, why, and where its bytes are: among the dead letters, or `kept` here.

    Its headers are None where they have to be read as bytes.
    """

    message: Message
    place: Place
    poison: Poison
    headers: Headers | None
    topic_id: UUID = NO_TOPIC
    letter_partition: int | None = None
    letter_offset: int | None = None
    kept: Kept | None = None


class LogWentBack(Exception):
    """A partition delivers an offset again: its topic was made again, or its log was cut back."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(f"{partition[0]}/{partition[1]}")
        self.partition = partition


@dataclass(slots=True)
class Span:
    """Which offsets of a partition a batch covers, and where between them no event was delivered."""

    begin: Mark
    next_offset: int
    events: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def skip_to(self, offset: int) -> None:
        """Cover the offsets up to this one, which hold no event."""
        self.gaps.append((self.next_offset, offset))
        self.next_offset = offset


@dataclass(slots=True)
class Batch:
    """What one transaction counts; `places` has the (partition, offset) of each event, in the same order.

    `begins` says where the partitions must go on, and `spans` what was covered from there.
    """

    begins: Mapping[Partition, Mark] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    spans: dict[Partition, Span] = field(default_factory=dict)
    sampled: dict[str, TraceContext] = field(default_factory=dict)
    duplicates: int = 0
    seen: set[str] = field(default_factory=set)

    def span(self, partition: Partition, offset: int) -> Span:
        """Return the span of a partition, which begins where the partition goes on, else at the offset."""
        span = self.spans.get(partition)
        if span is None:
            begin = self.begins.get(partition) or Mark(NO_TOPIC, offset)
            span = self.spans[partition] = Span(begin, begin.next_offset)
        return span


def sort_out(messages: Sequence[Message], batch: Batch, window: Window) -> None:
    """Decode messages into a batch; a second delivery within the batch is dropped. Raises LogWentBack."""
    seen = batch.seen
    for message in messages:
        topic, partition, offset = place_of(message)
        span = batch.spans.get((topic, partition)) or batch.span((topic, partition), offset)
        if offset != span.next_offset:
            if offset < span.next_offset:
                raise LogWentBack((topic, partition))
            span.skip_to(offset)
        span.next_offset = offset + 1
        span.events += 1
        headers: Headers | None
        outcome: Event | Poison
        try:
            headers = read_headers(message)
            outcome = decode(topic, message.key(), message.value(), window)
        except UnreadableHeaders as error:
            headers, outcome = None, Poison(Reason.UNREADABLE_HEADERS, str(error))
        if isinstance(outcome, Poison):
            if (unread := message.error()) is not None:
                outcome = Poison(Reason.UNREADABLE_BATCH, unread.str())
            batch.parked.append(Parked(message, (topic, partition, offset), outcome, headers, span.begin.topic_id))
        elif outcome.event_id in seen:
            batch.duplicates += 1
        else:
            seen.add(outcome.event_id)
            batch.events.append(outcome)
            batch.places.append((partition, offset))
            if headers and (context := sampled_context(headers)) is not None:
                batch.sampled[outcome.event_id] = context


def set_aside(message: Message, batch: Batch, poison: Poison) -> None:
    """Park a message that is not even looked at, the only one of its batch."""
    topic, partition, offset = place_of(message)
    span = batch.span((topic, partition), offset)
    if offset > span.next_offset:
        span.skip_to(offset)
    span.next_offset, span.events = offset + 1, 1
    batch.parked.append(Parked(message, (topic, partition, offset), poison, None))


def place_of(message: Message) -> Place:
    """Return a message's topic, partition and offset."""
    return message.topic(), message.partition(), message.offset()  # type: ignore[return-value]  # only an error has none


def sampled_context(headers: Headers) -> TraceContext | None:
    """Return the trace context of a message whose trace is followed in the logs; the last traceparent counts."""
    value = last_value(headers, "traceparent")
    if value is None or value[-1:] not in SAMPLED_DIGITS:
        return None
    return trace_context.parse(value.decode("ascii", "replace"))
