"""DeadLetterSourceService of the orders service: the events of the outbox that Kafka rejected."""

from __future__ import annotations

from typing import Any

import grpc
from ordermesh.gateway.v1.dead_letters_pb2 import ChangeDeadLettersResponse, DeadLetter, DeadLetterContent
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb
from ordermesh.internal.v1 import dead_letter_source_pb2_grpc

from orders.outbox import dead_events
from orders.outbox.dead_events import DeadEvent, dead_letter_id, event_number
from orders.outbox.unsent_event import headers_of
from orders.store.queries import OUTBOX
from runtime import dead_letter_messages as messages
from runtime.dead_letter_messages import DISCARD, REDRIVE
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.pool import Pool
from runtime.timestamps import from_datetime

Context = grpc.aio.ServicerContext[Any, Any]
Result = ChangeDeadLettersResponse.Result
NOT_DEAD = "no dead event of the outbox has this id"
DROPPED = "the outbox has dropped the event after its retention"


class DeadLetterSourceService(dead_letter_source_pb2_grpc.DeadLetterSourceServiceServicer):
    """The methods of DeadLetterSourceService. Only the gateway calls them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def SummarizeSource(self, request: pb.SummarizeSourceRequest, context: Context) -> pb.SummarizeSourceResponse:
        """Return the groups of dead events."""
        limit = {"limit": messages.MAX_GROUPS}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(OUTBOX.dead_event_groups, limit)).fetchall()
        groups = messages.groups(rows, DeadLetter.OUTBOX)
        return pb.SummarizeSourceResponse(groups=groups, total=sum(group.dead_letters for group in groups))

    async def ListSource(self, request: pb.ListSourceRequest, context: Context) -> pb.ListSourceResponse:
        """Return some dead events."""
        filters = messages.filter_parameters(request.filter)
        async with self._pool.connection() as connection:
            total, found = await dead_events.page(connection, filters, int(request.cursor or 0), request.limit)
        return pb.ListSourceResponse(
            dead_letters=map(dead_letter, found), cursors=(str(each.id) for each in found), total_size=total
        )

    async def GetSource(self, request: pb.GetSourceRequest, context: Context) -> pb.GetSourceResponse:
        """Return one dead event with its bytes."""
        number = event_number(request.dead_letter_id)
        async with self._pool.connection() as connection:
            event = None if number is None else await dead_events.find(connection, number)
            return pb.GetSourceResponse() if event is None else await content(connection, event)

    async def RedriveSource(self, request: pb.ChangeSourceRequest, context: Context) -> pb.ChangeSourceResponse:
        """Publish dead events again."""
        return await self._change(request, REDRIVE)

    async def DiscardSource(self, request: pb.ChangeSourceRequest, context: Context) -> pb.ChangeSourceResponse:
        """Discard dead events."""
        return await self._change(request, DISCARD)

    async def _change(self, request: pb.ChangeSourceRequest, action: str) -> pb.ChangeSourceResponse:
        numbers = {one: event_number(one) for one in request.dead_letter_ids}
        known = [number for number in numbers.values() if number is not None]
        async with self._pool.connection() as connection:
            if request.validate_only:
                done = await dead_events.changeable(connection, known, action)
            else:
                done = await dead_events.change(connection, known, action, messages.origin_of(request.origin))
        results = (
            Result(dead_letter_id=one, error="" if number in done else NOT_DEAD) for one, number in numbers.items()
        )
        return pb.ChangeSourceResponse(results=results)


def dead_letter(event: DeadEvent) -> DeadLetter:
    """Return a dead event as a dead letter."""
    return DeadLetter(
        dead_letter_id=event.dead_letter_id,
        source=DeadLetter.OUTBOX,
        topic=event.topic,
        reason=event.reason,
        detail=event.cause,
        event_type=messages.event_type(event.event_type),
        event_id=event.event_id,
        key=event.key,
        state=event.state,
        create_time=from_datetime(event.occur_time),
        discard_time=from_datetime(event.discarded_at),
    )


async def content(connection: AsyncConnection, event: DeadEvent) -> pb.GetSourceResponse:
    """Return a dead event with its bytes, if the outbox still has them, and what operators did with it."""
    place = {"id": event.id, "occur_time": event.occur_time}
    row = await (await connection.execute(OUTBOX.find_payload, place)).fetchone()
    target = {"target": dead_letter_id(event.id), "limit": messages.MAX_CHANGES}
    changes = await (await connection.execute(OUTBOX.dead_letter_changes, target)).fetchall()
    made = DeadLetterContent(dead_letter=dead_letter(event), changes=messages.changes(changes))
    if row is None:
        made.missing = DROPPED
    else:
        payload, traceparent, baggage = row
        made.key, made.value = event.key.encode(), payload
        made.headers.extend(messages.named_headers(headers_of(event.event_type, traceparent, baggage)))
        messages.decode_into(made, made.dead_letter.topic)
    return pb.GetSourceResponse(content=made)
