"""Requests for the ledgers of both databases as parameters of queries, and their rows as messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1.ledger_pb2 import (
    EventSum,
    LedgerPeriod,
    OrderState,
    OrderSum,
    StatusSum,
    StreamAnalyticsLedgerRequest,
    StreamOrderLedgerRequest,
    TypeCount,
)

from runtime.errors import InvalidRequest, Violation

Row = tuple[Any, ...]

SUMS_PER_MESSAGE = 500
STATES_PER_MESSAGE = 10_000
# The year 10889, the last that an id can have: to_timestamp knows it.
END_SECONDS = 2**48 // 1000
ID_TIME_SHIFT = 80
MINUTE_MS = 60_000


def period_parameters(request: StreamOrderLedgerRequest | StreamAnalyticsLedgerRequest) -> dict[str, Any]:
    """Return the parameters of the queries of sums."""
    end = request.end_time.seconds if request.HasField("end_time") else END_SECONDS
    return {"period": LedgerPeriod.Name(request.period), "start": request.start_time.seconds, "end": end}


def minute_ids(minute: Timestamp) -> dict[str, uuid.UUID]:
    """Return the first and the last id with a time in a minute, as parameters. Raises InvalidRequest.

    An order id in an event may be any UUID, so minutes begin with 1970 and end with what an id can hold.
    """
    if minute.seconds % 60 or minute.nanos or not 0 <= minute.seconds < END_SECONDS:
        raise InvalidRequest([Violation("minute_start_time", "must be a whole minute that an id can hold")])
    first_ms = minute.seconds * 1000
    return {
        "first_id": uuid.UUID(int=first_ms << ID_TIME_SHIFT),
        "last_id": uuid.UUID(int=min(first_ms + MINUTE_MS << ID_TIME_SHIFT, 1 << 128) - 1),
    }


def event_sums(rows: Iterable[Row]) -> Iterator[EventSum]:
    """Merge rows of (start, event type, events, total_minor, units, digest), sorted by start, into one message each."""
    for start, group in groupby(rows, key=itemgetter(0)):
        one = EventSum(start_time=Timestamp(seconds=start))
        digest = 0
        for _, event_type, events, total_minor, units, type_digest in group:
            one.types.append(TypeCount(type=event_type, events=events))
            digest ^= type_digest
            if event_type == ORDER_CREATED:
                one.revenue_minor, one.units = total_minor, units
        one.digest = digest
        yield one


def order_sums(rows: Iterable[Row]) -> Iterator[OrderSum]:
    """Merge rows of (start, status, orders, total_minor, digest), sorted by start, into one message each."""
    for start, group in groupby(rows, key=itemgetter(0)):
        statuses = [
            StatusSum(status=status, orders=orders, total_minor=total_minor, digest=digest)
            for _, status, orders, total_minor, digest in group
        ]
        yield OrderSum(start_time=Timestamp(seconds=start), statuses=statuses)


def order_states(rows: Iterable[Row]) -> Iterator[OrderState]:
    """Return the rows of (order_id, status, total_minor) and, in the orders database, has_unpublished_events."""
    for order_id, status, total_minor, *unpublished in rows:
        yield OrderState(
            order_id=order_id.bytes, status=status, total_minor=total_minor, has_unpublished_events=any(unpublished)
        )


def as_time(seconds: int) -> Timestamp | None:
    """Return a time in seconds since 1970, None for 0."""
    return Timestamp(seconds=seconds) if seconds else None
