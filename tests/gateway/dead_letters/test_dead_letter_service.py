"""DeadLetterService over two sources in memory: one list, pages, and changes in parts."""

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1 import dead_letters_pb2 as pb
from ordermesh.gateway.v1.dead_letters_pb2 import ChangeDeadLettersRequest, DeadLetter, ListDeadLettersRequest
from ordermesh.internal.v1 import dead_letter_source_pb2 as source_pb
from signed_tokens import tokens

from gateway.dead_letters.dead_letter_service import DeadLetterService
from runtime.audit.entries import Origin
from runtime.errors import InvalidRequest, NotFound
from runtime.identity import caller

Results = pb.ChangeDeadLettersResponse


class Context:
    """A call of an operator."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-envoy-external-address", "192.0.2.7"), ("x-request-id", "r-1"))


class Source:
    """A source with dead letters in memory, that changes at most `at_once` in one call."""

    def __init__(self, source: DeadLetter.Source, ids: Sequence[str], at_once: int = 100) -> None:
        self.source = source
        self.ids = list(ids)
        self.at_once = at_once
        self.changed: list[str] = []
        self.origins: list[Origin] = []

    async def summary(self) -> source_pb.SummarizeSourceResponse:
        day = Timestamp(seconds=86_400 * self.source)
        group = pb.DeadLetterSummary.Group(
            source=self.source, dead_letters=len(self.ids), day_start_time=day, oldest_time=day
        )
        return source_pb.SummarizeSourceResponse(groups=[group] if self.ids else [], total=len(self.ids))

    async def page(self, filters: ListDeadLettersRequest, cursor: str, limit: int) -> source_pb.ListSourceResponse:
        found = [one for one in self.ids if one > cursor][:limit]
        letters = [DeadLetter(dead_letter_id=one) for one in found]
        return source_pb.ListSourceResponse(dead_letters=letters, cursors=found, total_size=len(self.ids))

    async def content(self, dead_letter_id: str) -> pb.DeadLetterContent | None:
        if dead_letter_id not in self.ids:
            return None
        return pb.DeadLetterContent(dead_letter=DeadLetter(dead_letter_id=dead_letter_id))

    async def change(
        self, method: str, ids: Sequence[str], origin: Origin, *, validate_only: bool
    ) -> source_pb.ChangeSourceResponse:
        now = list(ids)[: self.at_once]
        self.origins.append(origin)
        if not validate_only:
            self.changed += now
        return source_pb.ChangeSourceResponse(results=[Results.Result(dead_letter_id=one) for one in now])


class Paused:
    """Paused partitions in memory."""

    async def resume(self, partitions: Sequence[str], origin: Origin) -> Sequence[str]:
        return partitions or ["stock/1"]


OUTBOX = [f"outbox.{number}" for number in range(1, 6)]
PROCESSOR = [f"stock.0.{number}" for number in range(1, 8)]


@pytest.fixture(autouse=True)
def operator() -> None:
    caller.set_current(caller.Caller(caller.OPERATOR, "olga"))


def serving(*sources: Any) -> DeadLetterService:
    return DeadLetterService(sources, Paused(), tokens())  # type: ignore[arg-type]


def both(at_once: int = 100) -> tuple[Source, Source]:
    return Source(DeadLetter.OUTBOX, OUTBOX, at_once), Source(DeadLetter.PROCESSOR, PROCESSOR, at_once)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 11, 12, 13])
async def test_pages_of_any_size_have_each_dead_letter_once(size: int) -> None:
    service = serving(*both())
    found: list[str] = []
    request = ListDeadLettersRequest(page_size=size)
    while True:
        page = await service.ListDeadLetters(request, Context())
        assert page.total_size == 12
        assert 1 <= len(page.dead_letters) <= size
        found += [one.dead_letter_id for one in page.dead_letters]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == OUTBOX + PROCESSOR


async def test_a_list_of_one_source_has_only_its_dead_letters() -> None:
    service = serving(*both())
    page = await service.ListDeadLetters(ListDeadLettersRequest(source=DeadLetter.PROCESSOR), Context())
    assert [one.dead_letter_id for one in page.dead_letters] == PROCESSOR
    assert page.total_size == 7


@pytest.mark.parametrize("at_once", [1, 3, 100])
async def test_changes_by_filter_continue_where_a_call_ended_and_change_each_once(at_once: int) -> None:
    sources = both(at_once)
    service = serving(*sources)
    request = ChangeDeadLettersRequest(filter=ListDeadLettersRequest(page_size=2))
    results: list[str] = []
    while True:
        response = await service.RedriveDeadLetters(request, Context())
        results += [one.dead_letter_id for one in response.results]
        if not response.next_page_token:
            break
        request.filter.page_token = response.next_page_token
    assert results == OUTBOX + PROCESSOR
    assert [source.changed for source in sources] == [OUTBOX, PROCESSOR]


async def test_a_dry_run_changes_nothing_and_says_how_many_match() -> None:
    sources = both()
    request = ChangeDeadLettersRequest(filter=ListDeadLettersRequest(), validate_only=True)
    response = await serving(*sources).DiscardDeadLetters(request, Context())
    assert (len(response.results), response.total_size) == (12, 12)
    assert [source.changed for source in sources] == [[], []]


async def test_without_ids_and_filter_nothing_is_changed() -> None:
    response = await serving(*both()).DiscardDeadLetters(ChangeDeadLettersRequest(), Context())
    assert (list(response.results), response.total_size, response.next_page_token) == ([], 0, "")


async def test_changes_by_ids_reach_their_sources_with_who_called() -> None:
    sources = both()
    request = ChangeDeadLettersRequest(dead_letter_ids=["stock.0.3", "outbox.2"])
    await serving(*sources).DiscardDeadLetters(request, Context())
    assert [source.changed for source in sources] == [["outbox.2"], ["stock.0.3"]]
    origin = sources[0].origins[0]
    assert (origin.role, origin.subject) == ("operator", "olga")
    assert (origin.client_address, origin.request_id) == ("192.0.2.7", "r-1")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ChangeDeadLettersRequest(dead_letter_ids=["outbox.1"], filter=ListDeadLettersRequest()), "dead_letter_ids"),
        (ChangeDeadLettersRequest(dead_letter_ids=["outbox.1", "outbox.1"]), "dead_letter_ids"),
        (ChangeDeadLettersRequest(dead_letter_ids=["outbox.1", "a/b"]), "dead_letter_ids[1]"),
        (ChangeDeadLettersRequest(dead_letter_ids=[f"outbox.{n}" for n in range(101)]), "dead_letter_ids"),
        (ChangeDeadLettersRequest(filter=ListDeadLettersRequest(topic="other")), "filter.topic"),
        (ChangeDeadLettersRequest(filter=ListDeadLettersRequest(page_size=-1)), "filter.page_size"),
        (ChangeDeadLettersRequest(filter=ListDeadLettersRequest(state=9)), "filter.state"),  # type: ignore[arg-type]
        (ChangeDeadLettersRequest(filter=ListDeadLettersRequest(reason="\x1b")), "filter.reason"),
        (ChangeDeadLettersRequest(filter=ListDeadLettersRequest(key="a b")), "filter.key"),
    ],
)
async def test_an_invalid_selection_is_refused_by_the_name_of_its_field(
    request_: ChangeDeadLettersRequest, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await serving(*both()).RedriveDeadLetters(request_, Context())
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_a_dead_letter_that_is_none_is_not_found() -> None:
    service = serving(*both())
    for wrong in ("outbox.99", "stock.0.99", "nonsense"):
        with pytest.raises(NotFound, match="such as order-events"):
            await service.GetDeadLetter(pb.GetDeadLetterRequest(dead_letter_id=wrong), Context())
    found = await service.GetDeadLetter(pb.GetDeadLetterRequest(dead_letter_id="stock.0.3"), Context())
    assert found.dead_letter.dead_letter_id == "stock.0.3"


async def test_the_summary_has_the_groups_of_both_sources_and_the_oldest_time() -> None:
    summary = await serving(*both()).GetDeadLetterSummary(pb.GetDeadLetterSummaryRequest(), Context())
    assert (summary.outbox_total, summary.processor_total) == (5, 7)
    assert [group.source for group in summary.groups] == [DeadLetter.PROCESSOR, DeadLetter.OUTBOX]
    assert summary.oldest_time.seconds == 86_400
    nothing = Source(DeadLetter.OUTBOX, []), Source(DeadLetter.PROCESSOR, [])
    empty = await serving(*nothing).GetDeadLetterSummary(pb.GetDeadLetterSummaryRequest(), Context())
    assert not empty.HasField("oldest_time")


async def test_partitions_are_resumed_by_valid_names() -> None:
    service = serving(*both())
    resumed = await service.ResumePartitions(pb.ResumePartitionsRequest(), Context())
    assert list(resumed.partitions) == ["stock/1"]
    with pytest.raises(InvalidRequest) as refused:
        await service.ResumePartitions(pb.ResumePartitionsRequest(partitions=["stock/1", "stock"]), Context())
    assert [violation.field for violation in refused.value.violations] == ["partitions[1]"]
