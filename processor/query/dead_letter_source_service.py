"""DeadLetterSourceService of the analytics service: records that could not be counted; and paused partitions."""

from __future__ import annotations

import grpc
from ordermesh.gateway.v1.dead_letters_pb2 import (
    ChangeDeadLettersResponse,
    DeadLetter,
    DeadLetterContent,
    DeadLetterSummary,
)
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb
from ordermesh.internal.v1 import dead_letter_source_pb2_grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from processor.consume import pauses
from processor.dead_letters import inspection, redrive
from processor.dead_letters.contents import ContentMissing, ContentReader
from processor.dead_letters.inspection import SQL, DeadLetterEntry, DeadLetterNotFound, DeadLetterPlace
from processor.query.analytics_service import Pool
from runtime import dead_letter_messages as messages
from runtime.errors import Unavailable
from runtime.kafka.delivery import NotAcknowledged
from runtime.kafka.settings import GroupSettings
from runtime.timestamps import from_datetime

Context = grpc.ServicerContext
# In one call; a caller continues with the others.
REDRIVE_SECONDS = 8.0
NO_ID = "no dead letter has this id"


class DeadLetterSourceService(dead_letter_source_pb2_grpc.DeadLetterSourceServiceServicer):
    """The methods of DeadLetterSourceService. Only the gateway calls them."""

    def __init__(self, pool: Pool, settings: GroupSettings) -> None:
        self._pool = pool
        self._settings = settings

    def SummarizeSource(self, request: pb.SummarizeSourceRequest, context: Context) -> pb.SummarizeSourceResponse:
        """Return the groups of open dead letters, and the paused partitions."""
        with self._pool.connection() as connection:
            rows = connection.execute(SQL.dead_letter_groups, {"limit": messages.MAX_GROUPS}).fetchall()
            paused = pauses.pauses(connection)
        groups = messages.groups(rows, DeadLetter.PROCESSOR)
        return pb.SummarizeSourceResponse(
            groups=groups, total=sum(group.dead_letters for group in groups), paused_partitions=map(pause, paused)
        )

    def ListSource(self, request: pb.ListSourceRequest, context: Context) -> pb.ListSourceResponse:
        """Return some dead letters."""
        filters = messages.filter_parameters(request.filter)
        with self._pool.connection() as connection:
            total, found = inspection.page(connection, filters, request.cursor, request.limit)
        return pb.ListSourceResponse(
            dead_letters=map(dead_letter, found), cursors=(each.cursor for each in found), total_size=total
        )

    def GetSource(self, request: pb.GetSourceRequest, context: Context) -> pb.GetSourceResponse:
        """Return one dead letter with its bytes."""
        place = inspection.parse_place(request.dead_letter_id)
        if place is None:
            return pb.GetSourceResponse()
        with self._pool.connection() as connection:
            try:
                entry, stored = inspection.find(connection, place)
            except DeadLetterNotFound:
                return pb.GetSourceResponse()
            target = {"target": entry.name, "limit": messages.MAX_CHANGES}
            changes = connection.execute(SQL.changes, target).fetchall()
        return pb.GetSourceResponse(content=self._content(entry, stored, messages.changes(changes)))

    def RedriveSource(self, request: pb.ChangeSourceRequest, context: Context) -> pb.ChangeSourceResponse:
        """Send dead letters again."""
        places = known(request)
        with self._pool.connection() as connection:
            if request.validate_only:
                return results(request, redrive.check_redrive(self._settings, connection, places))
            origin = messages.origin_of(request.origin)
            try:
                done = redrive.redrive(self._settings, connection, places, origin, REDRIVE_SECONDS)
            except NotAcknowledged as error:
                raise kafka_unavailable() from error
        return results(request, done)

    def DiscardSource(self, request: pb.ChangeSourceRequest, context: Context) -> pb.ChangeSourceResponse:
        """Give dead letters up."""
        origin = None if request.validate_only else messages.origin_of(request.origin)
        with self._pool.connection() as connection:
            return results(request, redrive.discard(connection, known(request), origin))

    def _content(
        self, entry: DeadLetterEntry, stored: inspection.Stored, changes: list[DeadLetterContent.Change]
    ) -> DeadLetterContent:
        made = DeadLetterContent(dead_letter=dead_letter(entry), changes=changes)
        try:
            with ContentReader(self._settings) as reader:
                found = reader.read(entry, stored)
        except ContentMissing as error:
            made.missing = str(error)
            return made
        if found.key is not None:
            made.key = found.key
        made.headers.extend(messages.named_headers(found.headers))
        made.headers.extend(
            DeadLetterContent.Header(name_bytes=name, value=value) for name, value in found.byte_headers
        )
        made.cause_headers.extend(messages.named_headers(found.own_headers))
        if found.value is not None:
            made.value = found.value
            messages.decode_into(made, entry.place.topic)
        return made


class PausedPartitionService(dead_letter_source_pb2_grpc.PausedPartitionServiceServicer):
    """The methods of PausedPartitionService. Only the gateway calls them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ResumePaused(self, request: pb.ResumePausedRequest, context: Context) -> pb.ResumePausedResponse:
        """Resume paused partitions."""
        wanted = [pauses.parse_partition(text) for text in request.partitions]
        with self._pool.connection() as connection:
            resumed = pauses.release(connection, wanted, messages.origin_of(request.origin))
        return pb.ResumePausedResponse(partitions=(f"{topic}/{number}" for topic, number in sorted(resumed)))


def known(request: pb.ChangeSourceRequest) -> list[DeadLetterPlace]:
    """Return the places of a request; what is no id has none."""
    return [place for one in request.dead_letter_ids if (place := inspection.parse_place(one)) is not None]


def results(request: pb.ChangeSourceRequest, done: redrive.Results) -> pb.ChangeSourceResponse:
    """Return the results in the order of the ids, up to the first that was not tried."""
    response = pb.ChangeSourceResponse()
    for one in request.dead_letter_ids:
        place = inspection.parse_place(one)
        error = NO_ID if place is None else done.get(place.name)
        if error is None:
            break
        response.results.append(ChangeDeadLettersResponse.Result(dead_letter_id=one, error=error))
    return response


def dead_letter(entry: DeadLetterEntry) -> DeadLetter:
    """Return an entry as a message."""
    return DeadLetter(
        dead_letter_id=entry.name,
        source=DeadLetter.PROCESSOR,
        topic=entry.place.topic,
        partition=entry.place.partition,
        offset=entry.place.offset,
        reason=entry.reason,
        detail=entry.detail,
        event_type=messages.event_type(entry.event_type),
        event_id=entry.event_id or "",
        key=entry.order_id or "",
        state=entry.state,
        create_time=from_datetime(entry.created_at),
        redrive_time=from_datetime(entry.redriven_at),
        discard_time=from_datetime(entry.discarded_at),
    )


def pause(found: pauses.Pause) -> DeadLetterSummary.PausedPartition:
    """Return a paused partition as a message."""
    topic, partition = found.partition
    return DeadLetterSummary.PausedPartition(
        topic=topic,
        partition=partition,
        pause_time=from_datetime(found.paused_at),
        resume_time=from_datetime(found.released_at),
        records=found.records,
        bad=found.bad,
    )


def kafka_unavailable() -> Unavailable:
    """Return the error for Kafka that does not answer."""
    return Unavailable(
        ErrorReason.COMPONENT_UNAVAILABLE, "kafka is unavailable", metadata={"component": "kafka"}, retry_ms=1000
    )
