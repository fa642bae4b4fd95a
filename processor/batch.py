"""Sorts what a worker read from the log into events to count and dead letters to park."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from processor.decode import Event, Poison, Reason, decode
from runtime import tracing
from runtime.headers import Headers, UnreadableHeaders, last_value, read_headers
from runtime.tracing import TraceContext

Partition = tuple[str, int]
Place = tuple[str, int, int]
# The last digit of a traceparent whose trace is followed in the logs.
SAMPLED_DIGITS = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))


@dataclass(slots=True)
class Parked:
    """A message that cannot be counted, why, and where among the dead letters its bytes are once they are there.

    Its headers are None where they have to be read as bytes.
    """

    message: Message
    place: Place
    poison: Poison
    headers: Headers | None
    letter_partition: int | None = None
    letter_offset: int | None = None


@dataclass(slots=True)
class Span:
    """Which offsets of a partition a batch holds."""

    first_offset: int
    next_offset: int
    events: int

    @property
    def missing(self) -> int:
        """How many offsets between the first and the last were not delivered."""
        return self.next_offset - self.first_offset - self.events


@dataclass(slots=True)
class Batch:
    """What one transaction counts; `places` has the (partition, offset) of each event, in the same order."""

    events: list[Event] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    spans: dict[Partition, Span] = field(default_factory=dict)
    sampled: dict[str, TraceContext] = field(default_factory=dict)
    duplicates: int = 0
    seen: set[str] = field(default_factory=set)


def sort_out(messages: Sequence[Message], batch: Batch, oldest_event_id: str) -> None:
    """Decode messages into a batch; a second delivery within the batch is dropped."""
    seen = batch.seen
    for message in messages:
        topic, partition, offset = place_of(message)
        span = batch.spans.get((topic, partition))
        if span is None:
            span = batch.spans[topic, partition] = Span(offset, offset, 0)
        span.next_offset = offset + 1
        span.events += 1
        headers: Headers | None
        outcome: Event | Poison
        try:
            headers = read_headers(message)
            outcome = decode(topic, message.key(), message.value(), oldest_event_id)
        except UnreadableHeaders as error:
            headers, outcome = None, Poison(Reason.UNREADABLE_HEADERS, str(error))
        if isinstance(outcome, Poison):
            batch.parked.append(Parked(message, (topic, partition, offset), outcome, headers))
        elif outcome.event_id in seen:
            batch.duplicates += 1
        else:
            seen.add(outcome.event_id)
            batch.events.append(outcome)
            batch.places.append((partition, offset))
            if headers and (context := sampled_context(headers)) is not None:
                batch.sampled[outcome.event_id] = context


def place_of(message: Message) -> Place:
    """Return a message's topic, partition and offset."""
    return message.topic(), message.partition(), message.offset()  # type: ignore[return-value]  # only an error has none


def sampled_context(headers: Headers) -> TraceContext | None:
    """Return the trace context of a message whose trace is followed in the logs; the last traceparent counts."""
    value = last_value(headers, "traceparent")
    if value is None or value[-1:] not in SAMPLED_DIGITS:
        return None
    return tracing.parse(value.decode("ascii", "replace"))
