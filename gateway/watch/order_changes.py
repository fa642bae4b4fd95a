"""Makes what a watcher of orders sees from the events of the log: in order, without repetitions; pure, without I/O."""

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

from gateway.watch import revision
from gateway.watch.order_log import TOPIC, Extent
from gateway.watch.stream_end import gone
from runtime import timestamps
from runtime.kafka import event_rules

# A publisher that stopped between Kafka's acknowledgement and its mark repeats a batch.
REMEMBERED_ORDERS = 20_000
# The events of each partition before the begin of a stream, read to know which of the later ones repeat them.
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


class Changes:
    """One stream's place in the log and the orders that it saw last."""

    def __init__(self, topic_id: bytes, offsets: Sequence[int], customer_id: str = "") -> None:
        self._topic_id = topic_id
        self._next = list(offsets)
        self._customer_id = customer_id
        self._sequences: dict[bytes, int] = {}

    @property
    def revision(self) -> str:
        """Name the place after everything that was taken."""
        return revision.encode(OrdersRevision(topic_id=self._topic_id, next_offsets=self._next))

    def belongs_to(self, extent: Extent) -> bool:
        """Tell whether the topic is still the one that is read, with no more partitions."""
        return extent.topic_id == self._topic_id and len(extent.ends) == len(self._next)

    def behind(self, extent: Extent) -> int:
        """Count the events that the log has after those that were taken."""
        return sum(max(0, end - at) for at, end in zip(self._next, extent.ends, strict=True))

    def reach(self, partition: int, offset: int) -> None:
        """Move past offsets that hold no record, such as the marker of a transaction."""
        self._next[partition] = max(self._next[partition], offset)

    def take(self, record: Record) -> OrderChange | SkippedRecord | None:
        """Move past a record and return the change, or why there is none, None when there is nothing to tell."""
        partition, offset = record.partition() or 0, record.offset() or 0
        before_begin = offset < self._next[partition]
        self._next[partition] = max(self._next[partition], offset + 1)
        try:
            event = OrderEvent.FromString(record.value() or b"")
            error = None if event.order_id else record.error()
            reason = not_shown(event) if error is None else error.str()
        except DecodeError:
            event, reason = OrderEvent(), "the value is no OrderEvent"
        if self._customer_id and event.customer_id not in (self._customer_id, ""):
            return None
        if reason:
            return None if before_begin else SkippedRecord(partition=partition, offset=offset, reason=reason)
        if self._customer_id and not event.customer_id:
            return None
        new = self._remember(uuid.UUID(event.order_id).bytes, event.sequence)
        return change(event) if new and not before_begin else None

    def _remember(self, order: bytes, sequence: int) -> bool:
        """Note an order's sequence and tell whether it is new."""
        last = self._sequences.pop(order, 0)
        self._sequences[order] = max(last, sequence)
        if len(self._sequences) > REMEMBERED_ORDERS:
            del self._sequences[next(iter(self._sequences))]
        return sequence > last


def not_shown(event: OrderEvent) -> str:
    """Say why an event cannot be shown, nothing when it can. What cannot be counted is the processor's to say."""
    if not UUID.fullmatch(event.order_id):
        return "order_id is no UUID"
    if not event_rules.UUID_V7.fullmatch(event.event_id):
        return event_rules.EVENT_ID_RULE
    if not event_rules.is_sequence(event.sequence):
        return event_rules.SEQUENCE_RULE
    if event.WhichOneof("payload") is None:
        return "its type is not known"
    if not timestamps.is_timestamp(event.occur_time):
        return f"occur_time {timestamps.RULE}"
    return event_rules.TOO_NEW if too_new(event) else ""


def too_new(event: OrderEvent) -> bool:
    """Tell whether an event is too far after the gateway's own clock."""
    occur_us = event.occur_time.seconds * 1_000_000 + event.occur_time.nanos // 1_000
    return event_rules.is_too_new(event.event_id, occur_us, *event_rules.newest(time.time_ns() // 1_000))


def change(event: OrderEvent) -> OrderChange:
    """Return an event as watchers see it."""
    payload = event.WhichOneof("payload")
    return OrderChange(
        type=payload.upper() if payload else EventType.EVENT_TYPE_UNSPECIFIED,
        order_id=event.order_id,
        customer_id=event.customer_id,
        sequence=event.sequence,
        status=event.status,
        previous_status=event.previous_status,
        total_price=event.total_minor / 100,
        occur_time=event.occur_time,
    )


def begin(after_revision: str, extent: Extent) -> tuple[int, ...]:
    """Return the offsets where a stream begins: after a revision, or now.

    Raises InvalidRequest for a text that is no revision, FailedPrecondition when the log has a gap after it.
    """
    if not after_revision:
        return extent.ends
    after = revision.decode(after_revision, OrdersRevision)
    if after.topic_id != extent.topic_id or len(after.next_offsets) > len(extent.ends):
        raise gone(f"{TOPIC} was made again since")
    # Partitions that were added since are read from their first event on.
    offsets = (*after.next_offsets, *[0] * (len(extent.ends) - len(after.next_offsets)))
    for number, (at, first, end) in enumerate(zip(offsets, extent.begins, extent.ends, strict=True)):
        if at < first:
            raise gone(f"events after it are deleted ({TOPIC}/{number}: from offset {at}, the log begins at {first})")
        if at > end:
            raise gone(f"{TOPIC}/{number} ends at offset {end}, before {at}")
    return offsets


def look_back(offsets: Sequence[int], extent: Extent) -> list[int]:
    """Return the offsets to read from, a little before the begin of the stream."""
    return [max(first, at - LOOK_BACK) for at, first in zip(offsets, extent.begins, strict=True)]
