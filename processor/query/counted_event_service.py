"""CountedEventService: the counted events of an order, and its dead letters."""

from __future__ import annotations

import uuid

import grpc
from ordermesh.internal.v1 import timeline_source_pb2 as pb
from ordermesh.internal.v1 import timeline_source_pb2_grpc

from processor.dead_letters.inspection import DeadLetterPlace
from processor.query.analytics_service import Pool, Row
from processor.query.revisions import first_event_id
from runtime import dead_letter_messages
from runtime.postgres.queries import Queries
from runtime.timestamps import from_datetime

SQL = Queries("processor.query", "timeline.sql")
MAX_EVENTS = 1_000


class CountedEventService(timeline_source_pb2_grpc.CountedEventServiceServicer):
    """The methods of CountedEventService. Only the gateway calls them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ListCountedEvents(
        self, request: pb.ListCountedEventsRequest, context: grpc.ServicerContext
    ) -> pb.ListCountedEventsResponse:
        """Return the counted events of an order, and its dead letters."""
        order_id = uuid.UUID(request.order_id)
        parameters = {"order_id": order_id, "first_id": first_event_id(order_id), "limit": MAX_EVENTS}
        with self._pool.connection() as connection:
            counted = connection.execute(SQL.counted_events, parameters).fetchall()
            rejected = connection.execute(SQL.order_dead_letters, parameters).fetchall()
            retained = connection.execute(SQL.events_retained).fetchone()
        return pb.ListCountedEventsResponse(
            events=map(event, counted),
            dead_letters=map(dead_letter, rejected),
            retained_start_time=from_datetime(retained[0]) if retained else None,
        )


def event(row: Row) -> pb.ListCountedEventsResponse.Event:
    """Return a counted event from its row."""
    event_id, kind, previous_status, status, occur_time, counted_at, partition, offset, worker = row
    return pb.ListCountedEventsResponse.Event(
        event_id=event_id,
        event_type=kind,
        previous_status=previous_status,
        status=status,
        occur_time=from_datetime(occur_time),
        count_time=from_datetime(counted_at),
        partition=partition,
        offset=offset,
        worker=worker,
    )


def dead_letter(row: Row) -> pb.ListCountedEventsResponse.DeadLetter:
    """Return a dead letter from its row."""
    topic, partition, offset, _, event_id, kind, reason, detail, created_at = row
    return pb.ListCountedEventsResponse.DeadLetter(
        dead_letter_id=DeadLetterPlace(topic, partition, offset).name,
        event_id=event_id or "",
        event_type=dead_letter_messages.event_type(kind),
        topic=topic,
        partition=partition,
        offset=offset,
        cause=f"{reason}: {detail}",
        create_time=from_datetime(created_at),
    )
