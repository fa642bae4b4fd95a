"""Converts the events of the log into order changes: in order, without duplicates; pure, without I/O."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import KafkaError
from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent
from ordermesh.gateway.v1.watch_pb2 import OrderChange, SkippedRecord
from ordermesh.internal.v1.revision_pb2 import OrdersRevision

from gateway.watch.order_topic import TOPIC, LogBounds
from gateway.watch.stream_end import revision_gone
from runtime import timestamps
from runtime.kafka import event_rules
from runtime.money import major

# A publisher that stopped before it recorded Kafka's acknowledgement publishes a batch again.
REMEMBERED_ORDERS = 20_000
# The number of events of each partition that are read before the start of a stream, to detect duplicates of them.
LOOK_BACK = 500
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Record(Protocol):
    """An event of the log."""

    def partition(self) -> int | None:
        """Return the partition."""

    def offset(self) -> int | None:
        """Return the offset."""

    def value(self) -> bytes | None:
        """Return the event."""

    def error(self) -> KafkaError | None:
        """Return why the event cannot be read."""


class OrderChanges:
    """The position of one stream in the log, and the sequences of its latest orders."""

    def __init__(self, topic_id: bytes, offsets: Sequence[int], customer_id: str = "") -> None:
        self._topic_id = topic_id
        self._next = list(offsets)
        self._customer_id = customer_id
        self._sequences: dict[bytes, int] = {}

    @property
    def revision(self) -> OrdersRevision:
        """The position after all records that were taken."""
        return OrdersRevision(topic_id=self._topic_id, next_offsets=self._next)

    def belongs_to(self, bounds: LogBounds) -> bool:
        """Return whether the topic was not recreated, and has no additional partitions."""
        return bounds.topic_id == self._topic_id and len(bounds.ends) == len(self._next)

    def lag(self, bounds: LogBounds) -> int:
        """Return the number of records between this position and the end of the log."""
        return sum(max(0, end - at) for at, end in zip(self._next, bounds.ends, strict=True))

    def skip_to(self, partition: int, offset: int) -> None:
        """Advance past offsets that hold no record, such as a transaction marker."""
        self._next[partition] = max(self._next[partition], offset)

    def take(self, record: Record) -> OrderChange | SkippedRecord | None:
        """Advance past a record; return its change, or why it is skipped, or None if there is nothing to send."""
        partition, offset = record.partition() or 0, record.offset() or 0
        before_start = offset < self._next[partition]
        self._next[partition] = max(self._next[partition], offset + 1)
        try:
            event = OrderEvent.FromString(record.value() or b"")
            error = None if event.order_id else record.error()
            reason = problem_of(event) if error is None else error.str()
        except DecodeError:
            event, reason = OrderEvent(), "the value is not an OrderEvent"
        if self._customer_id and event.customer_id not in (self._customer_id, ""):
            return None
        if reason:
            return None if before_start else SkippedRecord(partition=partition, offset=offset, reason=reason)
        if self._customer_id and not event.customer_id:
            return None
        new = self._remember(uuid.UUID(event.order_id).bytes, event.sequence)
        return change(event) if new and not before_start else None

    def _remember(self, order: bytes, sequence: int) -> bool:
        """Note the sequence of an order's event and return whether it is new."""
        last = self._sequences.pop(order, 0)
        self._sequences[order] = max(last, sequence)
        if len(self._sequences) > REMEMBERED_ORDERS:
            del self._sequences[next(iter(self._sequences))]
        return sequence > last


def problem_of(event: OrderEvent) -> str:
    """Return why an event cannot be sent, empty if it can. Events that cannot be counted are found by the processor."""
    if not UUID.fullmatch(event.order_id):
        return "order_id is not a UUID"
    if not event_rules.UUID_V7.fullmatch(event.event_id):
        return event_rules.EVENT_ID_RULE
    if not event_rules.is_sequence(event.sequence):
        return event_rules.SEQUENCE_RULE
    if event.WhichOneof("payload") is None:
        return "its type is unknown"
    if not timestamps.is_timestamp(event.occur_time):
        return f"occur_time {timestamps.RULE}"
    return event_rules.TOO_NEW if too_new(event) else ""


def too_new(event: OrderEvent) -> bool:
    """Return whether an event is too far ahead of the gateway's clock."""
    occur_us = event.occur_time.seconds * 1_000_000 + event.occur_time.nanos // 1_000
    return event_rules.is_too_new(event.event_id, occur_us, *event_rules.newest(time.time_ns() // 1_000))


def change(event: OrderEvent) -> OrderChange:
    """Return an event as an order change."""
    payload = event.WhichOneof("payload")
    return OrderChange(
        type=payload.upper() if payload else EventType.EVENT_TYPE_UNSPECIFIED,
        order_id=event.order_id,
        customer_id=event.customer_id,
        sequence=event.sequence,
        status=event.status,
        previous_status=event.previous_status,
        total_price=major(event.total_minor),
        occur_time=event.occur_time,
    )


def start_offsets(after: OrdersRevision | None, bounds: LogBounds) -> tuple[int, ...]:
    """Return the offsets where a stream starts: after a revision, or at the end of the log.

    Raises FailedPrecondition when events after the revision are not in the log.
    """
    if after is None:
        return bounds.ends
    if after.topic_id != bounds.topic_id or len(after.next_offsets) > len(bounds.ends):
        raise revision_gone(f"{TOPIC} was recreated since")
    # Partitions that were added since are read from their first event.
    offsets = (*after.next_offsets, *[0] * (len(bounds.ends) - len(after.next_offsets)))
    for number, (at, first, end) in enumerate(zip(offsets, bounds.starts, bounds.ends, strict=True)):
        if at < first:
            reason = f"events after it were deleted ({TOPIC}/{number}: from offset {at}, the log starts at {first})"
            raise revision_gone(reason)
        if at > end:
            raise revision_gone(f"{TOPIC}/{number} ends at offset {end}, before {at}")
    return offsets


def look_back_offsets(offsets: Sequence[int], bounds: LogBounds) -> list[int]:
    """Return the offsets to read from: a little before the start of the stream."""
    return [max(first, at - LOOK_BACK) for at, first in zip(offsets, bounds.starts, strict=True)]
