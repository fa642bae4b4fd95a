"""The dead letters of one source, in the service that has them."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.gateway.v1.dead_letters_pb2 import DeadLetter, DeadLetterContent, ListDeadLettersRequest
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb
from ordermesh.internal.v1 import dead_letter_source_pb2_grpc

from gateway.backends.errors import requests_to
from gateway.backends.grpc_backend import Backend
from runtime.audit.entries import Origin
from runtime.dead_letter_messages import origin_message
from runtime.grpc.service_tls import ServiceTls

READ_SECONDS = 15.0
CHANGE_SECONDS = 25.0


class DeadLetterSource:
    """A source of dead letters: the orders service with the outbox, or the analytics service with the processor's."""

    def __init__(
        self, source: DeadLetter.Source, component: str, targets: Sequence[str], tls: ServiceTls | None = None
    ) -> None:
        self.source = source
        self._component = component
        self._backend = Backend(targets, dead_letter_source_pb2_grpc.DeadLetterSourceServiceStub, tls)

    async def close(self) -> None:
        """Close the channels."""
        await self._backend.close()

    async def summary(self) -> pb.SummarizeSourceResponse:
        """Return the groups of open dead letters."""
        request = pb.SummarizeSourceRequest()
        with requests_to(self._component):
            return await self._backend.unary("SummarizeSource", request, pb.SummarizeSourceResponse, READ_SECONDS)

    async def page(self, filters: ListDeadLettersRequest, cursor: str, limit: int) -> pb.ListSourceResponse:
        """Return dead letters that match, after a cursor."""
        request = pb.ListSourceRequest(filter=filters, cursor=cursor, limit=limit)
        with requests_to(self._component):
            return await self._backend.unary("ListSource", request, pb.ListSourceResponse, READ_SECONDS)

    async def content(self, dead_letter_id: str) -> DeadLetterContent | None:
        """Return one dead letter with its event, None if there is none."""
        request = pb.GetSourceRequest(dead_letter_id=dead_letter_id)
        with requests_to(self._component):
            found = await self._backend.unary("GetSource", request, pb.GetSourceResponse, READ_SECONDS)
        return found.content if found.HasField("content") else None

    async def change(
        self, method: str, ids: Sequence[str], origin: Origin, *, validate_only: bool
    ) -> pb.ChangeSourceResponse:
        """Call RedriveSource or DiscardSource."""
        request = pb.ChangeSourceRequest(
            dead_letter_ids=ids, origin=origin_message(origin), validate_only=validate_only
        )
        with requests_to(self._component):
            return await self._backend.unary(method, request, pb.ChangeSourceResponse, CHANGE_SECONDS)


class PausedPartitions:
    """The paused partitions, in the analytics service."""

    def __init__(self, targets: Sequence[str], tls: ServiceTls | None = None) -> None:
        self._backend = Backend(targets, dead_letter_source_pb2_grpc.PausedPartitionServiceStub, tls)

    async def close(self) -> None:
        """Close the channels."""
        await self._backend.close()

    async def resume(self, partitions: Sequence[str], origin: Origin) -> Sequence[str]:
        """Resume partitions, all paused ones if none is given; return those that were paused."""
        request = pb.ResumePausedRequest(partitions=partitions, origin=origin_message(origin))
        with requests_to("analytics"):
            answer = await self._backend.unary("ResumePaused", request, pb.ResumePausedResponse, READ_SECONDS)
        return answer.partitions
