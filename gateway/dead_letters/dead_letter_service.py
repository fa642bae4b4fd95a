"""DeadLetterService: the dead letters of all sources as one list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ordermesh.gateway.v1 import dead_letters_pb2 as pb
from ordermesh.gateway.v1 import dead_letters_pb2_grpc
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.backends.dead_letter_source import DeadLetterSource, PausedPartitions
from gateway.dead_letters import validation
from runtime.audit.entries import Origin
from runtime.errors import InvalidRequest, NotFound
from runtime.identity import origin
from runtime.telemetry import trace_context
from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.page_token import PageTokens

SERVICE = pb.DESCRIPTOR.services_by_name["DeadLetterService"].full_name
OUTBOX_ID = "outbox."
# Separates the source of a page token from the cursor within it.
SEPARATOR = ":"


class Page(NamedTuple):
    """Dead letters of all sources, each with the key of the page token after it, and how many match."""

    dead_letters: list[pb.DeadLetter]
    keys: list[str]
    total: int
    is_last: bool


class DeadLetterService(dead_letters_pb2_grpc.DeadLetterServiceServicer):
    """Asks the sources, the outbox first: its dead letters make orders wait."""

    def __init__(self, sources: Sequence[DeadLetterSource], paused: PausedPartitions, tokens: OpaqueTokens) -> None:
        self._sources = sources
        self._paused = paused
        self._tokens = PageTokens(tokens, f"{SERVICE}/ListDeadLetters")

    async def GetDeadLetterSummary(self, request: pb.GetDeadLetterSummaryRequest, context: Any) -> pb.DeadLetterSummary:
        """Return the groups of open dead letters, and the paused partitions."""
        answers = await asyncio.gather(*(source.summary() for source in self._sources))
        groups = sorted(
            (group for answer in answers for group in answer.groups), key=lambda group: -group.day_start_time.seconds
        )
        totals = {source.source: answer.total for source, answer in zip(self._sources, answers, strict=True)}
        oldest = min((group.oldest_time for group in groups), key=lambda time: time.ToNanoseconds(), default=None)
        return pb.DeadLetterSummary(
            groups=groups,
            outbox_total=totals[pb.DeadLetter.OUTBOX],
            processor_total=totals[pb.DeadLetter.PROCESSOR],
            oldest_time=oldest,
            paused_partitions=[pause for answer in answers for pause in answer.paused_partitions],
        )

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Any) -> pb.ListDeadLettersResponse:
        """Return a page of dead letters."""
        page = await self._page(request, validation.page_size(request))
        return pb.ListDeadLettersResponse(
            dead_letters=page.dead_letters,
            next_page_token="" if page.is_last else self._token(page.keys[-1], request),
            total_size=page.total,
        )

    async def GetDeadLetter(self, request: pb.GetDeadLetterRequest, context: Any) -> pb.DeadLetterContent:
        """Return one dead letter with its event."""
        dead_letter_id = validation.dead_letter_id(request.dead_letter_id)
        found = await self._source_of(dead_letter_id).content(dead_letter_id)
        if found is None:
            raise NotFound(
                ErrorReason.DEAD_LETTER_NOT_FOUND,
                f"no dead letter {dead_letter_id!r}: {validation.ID_RULE}",
                metadata={"dead_letter_id": dead_letter_id},
            )
        return found

    async def RedriveDeadLetters(
        self, request: pb.ChangeDeadLettersRequest, context: Any
    ) -> pb.ChangeDeadLettersResponse:
        """Send events again."""
        return await self._change("RedriveSource", request, context)

    async def DiscardDeadLetters(
        self, request: pb.ChangeDeadLettersRequest, context: Any
    ) -> pb.ChangeDeadLettersResponse:
        """Give events up."""
        return await self._change("DiscardSource", request, context)

    async def ResumePartitions(self, request: pb.ResumePartitionsRequest, context: Any) -> pb.ResumePartitionsResponse:
        """Resume paused partitions."""
        validation.partitions(request)
        return pb.ResumePartitionsResponse(partitions=await self._paused.resume(request.partitions, origin_of(context)))

    async def _change(
        self, method: str, request: pb.ChangeDeadLettersRequest, context: Any
    ) -> pb.ChangeDeadLettersResponse:
        validation.change(request)
        by_ids = bool(request.dead_letter_ids)
        page = by_given_ids(request.dead_letter_ids) if by_ids else await self._filtered(request)
        ids = [each.dead_letter_id for each in page.dead_letters]
        response = pb.ChangeDeadLettersResponse(total_size=page.total)
        for source in self._sources:
            # Ids are in the order of their sources in a page, and of one source's own within it.
            own = [one for one in ids if self._source_of(one) is source]
            if not own:
                continue
            answer = await source.change(method, own, origin_of(context), validate_only=request.validate_only)
            response.results.extend(answer.results)
            if len(answer.results) < len(own):
                break
        done = len(response.results)
        if not by_ids and ids and not (page.is_last and done == len(ids)):
            response.next_page_token = self._token(page.keys[done - 1], request.filter)
        return response

    async def _filtered(self, request: pb.ChangeDeadLettersRequest) -> Page:
        """Return the dead letters of a filter, none without one. Raises InvalidRequest."""
        if not request.HasField("filter"):
            return by_given_ids(())
        try:
            return await self._page(request.filter, validation.MAX_IDS)
        except InvalidRequest as error:
            raise InvalidRequest(validation.inner(error.violations), error.reason) from error

    async def _page(self, request: pb.ListDeadLettersRequest, size: int) -> Page:
        """Return a page. Raises InvalidRequest for a token of another list."""
        begin, cursor = self._position(request)
        found: list[pb.DeadLetter] = []
        keys: list[str] = []
        total = 0
        for source in self._sources:
            if request.source not in (source.source, pb.DeadLetter.SOURCE_UNSPECIFIED):
                continue
            # Also of sources whose dead letters were on earlier pages, for the total; and one more, to see the end.
            wanted = 0 if source.source < begin else size + 1 - len(found)
            answer = await source.page(request, cursor if source.source == begin else "", wanted)
            found += answer.dead_letters
            keys += [f"{source.source}{SEPARATOR}{each}" for each in answer.cursors]
            total += answer.total_size
        return Page(found[:size], keys[:size], total, is_last=len(found) <= size)

    def _position(self, request: pb.ListDeadLettersRequest) -> tuple[int, str]:
        """Return where a page begins: the source, and the cursor within it."""
        if not request.page_token:
            return 0, ""
        source, _, cursor = self._tokens.decode(request.page_token, request).key.partition(SEPARATOR)
        return int(source), cursor

    def _token(self, key: str, request: pb.ListDeadLettersRequest) -> str:
        return self._tokens.encode(PageToken(key=key), request)

    def _source_of(self, dead_letter_id: str) -> DeadLetterSource:
        wanted = pb.DeadLetter.OUTBOX if dead_letter_id.startswith(OUTBOX_ID) else pb.DeadLetter.PROCESSOR
        return next(source for source in self._sources if source.source == wanted)


def by_given_ids(ids: Sequence[str]) -> Page:
    """Return given ids as a page."""
    return Page([pb.DeadLetter(dead_letter_id=one) for one in ids], [], len(ids), is_last=True)


def origin_of(context: Any) -> Origin:
    """Return who calls, an operator. Other roles are refused before."""
    metadata = context.invocation_metadata()
    found = origin.of_operator(metadata, trace_context.from_metadata(metadata))
    if found is None:
        raise RuntimeError("only operators call methods that change dead letters")
    return found
