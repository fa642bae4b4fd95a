"""Dead letters as messages: filters as parameters of queries, events decoded by the contract, who changes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent, StockEvent
from ordermesh.gateway.v1.dead_letters_pb2 import (
    DeadLetter,
    DeadLetterContent,
    DeadLetterSummary,
    ListDeadLettersRequest,
)
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb

from runtime import timestamps
from runtime.audit.entries import Origin
from runtime.kafka.topics import ORDER_EVENTS

Row = tuple[Any, ...]
# Actions in the audit log: the public methods.
REDRIVE, DISCARD = "RedriveDeadLetters", "DiscardDeadLetters"
MAX_GROUPS = 1_000
MAX_CHANGES = 100


def filter_parameters(filters: ListDeadLettersRequest) -> dict[str, Any]:
    """Return valid filters as parameters of queries, None for one that is absent."""
    state = filters.state or DeadLetter.OPEN
    return {
        "state": DeadLetter.State.Name(state),
        "topic": filters.topic or None,
        "reason": filters.reason or None,
        "text": filters.text or None,
        "event_type": filters.event_type or None,
        "key": filters.key or None,
        "start": timestamps.to_datetime(filters.start_time) if filters.HasField("start_time") else None,
        "end": timestamps.to_datetime(filters.end_time) if filters.HasField("end_time") else None,
    }


def event_type(number: int | None) -> str:
    """Return the name of a stored type, that of 0 for none and for one that this version does not know."""
    return EventType.Name(number if number is not None and number in EventType.values() else 0)


def groups(rows: Iterable[Row], source: DeadLetter.Source) -> list[DeadLetterSummary.Group]:
    """Return groups from rows of topic, reason, type, day, count, oldest and newest."""
    return [
        DeadLetterSummary.Group(
            source=source,
            topic=topic,
            reason=reason,
            event_type=event_type(kind),
            day_start_time=timestamps.from_datetime(day),
            dead_letters=count,
            oldest_time=timestamps.from_datetime(oldest),
            newest_time=timestamps.from_datetime(newest),
        )
        for topic, reason, kind, day, count, oldest, newest in rows
    ]


def changes(rows: Iterable[Row]) -> list[DeadLetterContent.Change]:
    """Return changes from rows of time, action, subject and client address."""
    return [
        DeadLetterContent.Change(
            change_time=timestamps.from_datetime(at), action=action, subject=subject, client_address=address
        )
        for at, action, subject, address in rows
    ]


def named_headers(headers: Iterable[tuple[str, str | bytes | None]]) -> list[DeadLetterContent.Header]:
    """Return headers whose names are text."""
    return [
        DeadLetterContent.Header(name=name, value=value.encode() if isinstance(value, str) else value)
        for name, value in headers
    ]


def decode_into(content: DeadLetterContent, topic: str) -> None:
    """Decode the value of an event by the contract of its topic, if it is of it."""
    try:
        if topic == ORDER_EVENTS:
            content.order_event.CopyFrom(OrderEvent.FromString(content.value))
        else:
            content.stock_event.CopyFrom(StockEvent.FromString(content.value))
    except DecodeError:
        content.ClearField("event")


def origin_message(origin: Origin) -> pb.Origin:
    """Return who acts as a message."""
    return pb.Origin(
        role=origin.role,
        subject=origin.subject,
        client_address=origin.client_address,
        request_id=origin.request_id,
        trace_id=origin.trace_id,
    )


def origin_of(message: pb.Origin) -> Origin:
    """Return who acts from a message."""
    return Origin(message.role, message.subject, message.client_address, message.request_id, message.trace_id)
