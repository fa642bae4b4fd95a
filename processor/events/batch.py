"""Decodes what a worker read from the log into a batch: events to count, and rejected records as dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from confluent_kafka import Message

from processor.events.decode import UUID as UUID_TEXT
from processor.events.decode import decode
from processor.events.event import Event, EventWindow, Reason, Rejection
from processor.events.resume_positions import Position
from runtime.kafka.offsets import NO_TOPIC, Partition
from runtime.kafka.records.headers import Headers, UnreadableHeaders, last_value, read_headers
from runtime.kafka.topics import ORDER_EVENTS
from runtime.telemetry import trace_context
from runtime.telemetry.trace_context import TraceContext

# Where a record is in the log: topic, partition, offset.
Place = tuple[str, int, int]
# The last digit of a traceparent whose trace is sampled.
SAMPLED_DIGITS = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """The bytes of a record whose dead letter Kafka refuses, for the database; headers encoded as in a dead letter."""

    key: bytes | None
    value: bytes | None
    headers: str


@dataclass(slots=True)
class DeadLetter:
    """A rejected record, the reason, and where its bytes are kept: in the dead letter topic, or `stored` here.

    Its headers are None where they have to be read as bytes.
    """

    message: Message
    place: Place
    rejection: Rejection
    headers: Headers | None
    topic_id: UUID = NO_TOPIC
    dlq_partition: int | None = None
    dlq_offset: int | None = None
    stored: StoredRecord | None = None

    @property
    def order_id(self) -> str | None:
        """Return the order that the record's key names, None when it names none."""
        key = self.message.key()
        if self.place[0] != ORDER_EVENTS or not isinstance(key, bytes):
            return None
        text = key.decode("ascii", "replace")
        return text if UUID_TEXT.fullmatch(text) else None


class OffsetWentBack(Exception):
    """A partition delivers an offset again: its topic was recreated, or its log was truncated."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(f"{partition[0]}/{partition[1]}")
        self.partition = partition


@dataclass(slots=True)
class OffsetRange:
    """The offsets of a partition that a batch covers, and the gaps between them: offsets that delivered no record."""

    start: Position
    next_offset: int
    records: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def skip_to(self, offset: int) -> None:
        """Cover the offsets up to this one, which hold no record."""
        self.gaps.append((self.next_offset, offset))
        self.next_offset = offset


@dataclass(slots=True)
class Batch:
    """What one transaction counts; `places` has the (partition, offset) of each event, in the same order.

    `positions` says where each partition continues, and `ranges` what the batch covers from there.
    """

    positions: Mapping[Partition, Position] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    ranges: dict[Partition, OffsetRange] = field(default_factory=dict)
    sampled: dict[str, TraceContext] = field(default_factory=dict)
    duplicates: int = 0
    seen_ids: set[str] = field(default_factory=set)

    def range_of(self, partition: Partition, offset: int) -> OffsetRange:
        """Return the range of a partition, which starts at the partition's position, else at the offset."""
        found = self.ranges.get(partition)
        if found is None:
            start = self.positions.get(partition) or Position(NO_TOPIC, offset)
            found = self.ranges[partition] = OffsetRange(start, start.next_offset)
        return found


def decode_into(batch: Batch, messages: Sequence[Message], window: EventWindow) -> None:
    """Decode messages into a batch; a second delivery within the batch is dropped. Raises OffsetWentBack."""
    seen_ids = batch.seen_ids
    for message in messages:
        topic, partition, offset = place_of(message)
        covered = batch.ranges.get((topic, partition)) or batch.range_of((topic, partition), offset)
        if offset != covered.next_offset:
            if offset < covered.next_offset:
                raise OffsetWentBack((topic, partition))
            covered.skip_to(offset)
        covered.next_offset = offset + 1
        covered.records += 1
        headers: Headers | None
        decoded: Event | Rejection
        try:
            headers = read_headers(message)
            decoded = decode(topic, message.key(), message.value(), window)
        except UnreadableHeaders as error:
            headers, decoded = None, Rejection(Reason.UNREADABLE_HEADERS, str(error))
        if isinstance(decoded, Rejection):
            if (unread := message.error()) is not None:
                decoded = Rejection(Reason.UNREADABLE_BATCH, unread.str())
            place = (topic, partition, offset)
            batch.dead_letters.append(DeadLetter(message, place, decoded, headers, covered.start.topic_id))
        elif decoded.event_id in seen_ids:
            batch.duplicates += 1
        else:
            seen_ids.add(decoded.event_id)
            batch.events.append(decoded)
            batch.places.append((partition, offset))
            if headers and (context := sampled_context(headers)) is not None:
                batch.sampled[decoded.event_id] = context


def reject_into(batch: Batch, message: Message, rejection: Rejection) -> None:
    """Add a message as a dead letter without decoding it, the only one of its batch."""
    topic, partition, offset = place_of(message)
    covered = batch.range_of((topic, partition), offset)
    if offset > covered.next_offset:
        covered.skip_to(offset)
    covered.next_offset, covered.records = offset + 1, 1
    place = (topic, partition, offset)
    batch.dead_letters.append(DeadLetter(message, place, rejection, None, covered.start.topic_id))


def place_of(message: Message) -> Place:
    """Return a message's topic, partition and offset."""
    return message.topic(), message.partition(), message.offset()  # type: ignore[return-value]  # only an error has none


def sampled_context(headers: Headers) -> TraceContext | None:
    """Return the trace context of a message whose trace is sampled; the last traceparent counts."""
    value = last_value(headers, "traceparent")
    if value is None or value[-1:] not in SAMPLED_DIGITS:
        return None
    return trace_context.parse(value.decode("ascii", "replace"))
