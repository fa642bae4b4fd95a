"""`ordermesh dlq summary | list | show | redrive | discard | resume`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from ordermesh.gateway.v1 import dead_letters_pb2_grpc
from ordermesh.gateway.v1.dead_letters_pb2 import (
    ChangeDeadLettersRequest,
    ChangeDeadLettersResponse,
    GetDeadLetterRequest,
    GetDeadLetterSummaryRequest,
    ResumePartitionsRequest,
)

from cli.output.terminal import console, errors
from cli.pipeline.dead_letter_options import (
    All,
    Containing,
    DryRun,
    Ids,
    Key,
    Reason,
    Selection,
    Since,
    Source,
    Topic,
    Type,
    Until,
)
from cli.pipeline.dead_letter_text import content_lines, dead_letters_table, groups_table, pause_line
from cli.target import Target, front_proxy
from runtime.batched import batched
from runtime.exit_codes import ExitCode
from stack.errors import ServerFailed

Stub = dead_letters_pb2_grpc.DeadLetterServiceStub
Change = Callable[[Stub, ChangeDeadLettersRequest], ChangeDeadLettersResponse]
CALL_SECONDS = 30.0
IDS_PER_CALL = 100

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Summarize, list, show, redrive or discard dead letters; resume paused partitions.",
)


@contextmanager
def service(target: str | None) -> Iterator[Stub]:
    """Yield a stub of the service. Raises grpc.RpcError."""
    with front_proxy(target).channel() as channel:
        yield Stub(channel)


@app.command()
def summary(target: Target = None) -> None:
    """Show the number and ages of open dead letters by day, source, topic, reason and type; and paused partitions."""
    with service(target) as stub:
        found = stub.GetDeadLetterSummary(GetDeadLetterSummaryRequest(), timeout=CALL_SECONDS)
    console.print(groups_table(found) if found.groups else "no dead letters")
    for pause in found.paused_partitions:
        console.print(pause_line(pause))


@app.command("list")
def list_dead_letters(
    state: Annotated[str | None, typer.Option(help="OPEN, REDRIVEN or DISCARDED; OPEN by default.")] = None,
    source: Source = None,
    topic: Topic = None,
    reason: Reason = None,
    event_type: Type = None,
    key: Key = None,
    text: Containing = None,
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of dead letters.")] = 50,
    target: Target = None,
) -> None:
    """List dead letters, those of the outbox first, of each source the oldest first."""
    request = Selection(source, topic, reason, event_type, key, text, since, until).request(state)
    request.page_size = limit
    with service(target) as stub:
        found = stub.ListDeadLetters(request, timeout=CALL_SECONDS)
    if not found.dead_letters:
        console.print("no dead letters match" if found.total_size == 0 else "no more dead letters")
        return
    console.print(dead_letters_table(found.dead_letters))
    if found.next_page_token:
        console.print(f"{len(found.dead_letters):,} of {found.total_size:,}; --limit shows more, options select")


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="Id from `ordermesh dlq list`.")], target: Target = None
) -> None:
    """Show one dead letter: who changed it, headers, bytes, and the decoded event if possible."""
    with service(target) as stub:
        found = stub.GetDeadLetter(GetDeadLetterRequest(dead_letter_id=dead_letter_id), timeout=CALL_SECONDS)
    for line in content_lines(found):
        console.print(line)


@app.command()
def redrive(
    ids: Ids = None,
    every: All = False,
    source: Source = None,
    topic: Topic = None,
    reason: Reason = None,
    event_type: Type = None,
    key: Key = None,
    text: Containing = None,
    since: Since = "",
    until: Until = "",
    dry_run: DryRun = False,
    target: Target = None,
) -> None:
    """Send dead letters again, such as after an upgrade that can decode them, or after a limit of Kafka was raised."""
    selection = Selection(source, topic, reason, event_type, key, text, since, until)
    requests = selected(ids, selection, every=every, dry_run=dry_run)
    with service(target) as stub:
        change(stub, requests, lambda stub, one: stub.RedriveDeadLetters(one, timeout=CALL_SECONDS), "redriven")


@app.command()
def discard(
    ids: Ids = None,
    every: All = False,
    source: Source = None,
    topic: Topic = None,
    reason: Reason = None,
    event_type: Type = None,
    key: Key = None,
    text: Containing = None,
    since: Since = "",
    until: Until = "",
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    target: Target = None,
) -> None:
    """Give dead letters up: their events are never counted; later events of their orders are published."""
    selection = Selection(source, topic, reason, event_type, key, text, since, until)
    requests = selected(ids, selection, every=every, dry_run=dry_run)
    with service(target) as stub:
        if not (yes or dry_run):
            confirm(stub, requests)
        change(stub, requests, lambda stub, one: stub.DiscardDeadLetters(one, timeout=CALL_SECONDS), "discarded")


@app.command()
def resume(
    partitions: Annotated[list[str] | None, typer.Argument(help="topic/partition; all paused ones by default.")] = None,
    target: Target = None,
) -> None:
    """Resume paused partitions; records that cannot be counted become dead letters."""
    with service(target) as stub:
        request = ResumePartitionsRequest(partitions=partitions or ())
        resumed = stub.ResumePartitions(request, timeout=CALL_SECONDS).partitions
    for name in resumed:
        console.print(f"{name}: resumed")
    if missed := sorted(set(partitions or ()) - set(resumed)):
        raise ServerFailed(f"not paused: {', '.join(missed)}")
    if not resumed:
        console.print("no partition is paused")


def selected(
    ids: list[str] | None, selection: Selection, *, every: bool, dry_run: bool
) -> list[ChangeDeadLettersRequest]:
    """Return the requests that change dead letters. Raises BadParameter and SettingInvalid."""
    if bool(ids) == (every or not selection.is_empty):
        raise typer.BadParameter("select dead letters either by their ids, or by --all and other options")
    if ids:
        return [
            ChangeDeadLettersRequest(dead_letter_ids=some, validate_only=dry_run)
            for some in batched(dict.fromkeys(ids), IDS_PER_CALL)
        ]
    return [ChangeDeadLettersRequest(filter=selection.request(), validate_only=dry_run)]


def confirm(stub: Stub, requests: list[ChangeDeadLettersRequest]) -> None:
    """Ask whether to discard, with the number of dead letters. Raises Abort."""
    number = sum(len(request.dead_letter_ids) for request in requests)
    if requests[0].HasField("filter"):
        number = stub.ListDeadLetters(requests[0].filter, timeout=CALL_SECONDS).total_size
    if number:
        typer.confirm(f"{counted(number)} will never be counted. Discard?", abort=True)


def change(stub: Stub, requests: list[ChangeDeadLettersRequest], call: Change, what: str) -> None:
    """Change dead letters with as many calls as needed, and print each result. Raises Exit when one failed."""
    done = failed = 0
    for request in requests:
        verb = f"would be {what}" if request.validate_only else what
        for response in answers(stub, request, call):
            for result in response.results:
                (errors if result.error else console).print(f"{result.dead_letter_id}: {result.error or verb}")
            failed += sum(bool(result.error) for result in response.results)
            done += sum(not result.error for result in response.results)
    console.print(f"{counted(done)} {verb}" if done or failed else "no open dead letter matches")
    if failed:
        raise typer.Exit(ExitCode.DIFFERS)


def answers(stub: Stub, request: ChangeDeadLettersRequest, call: Change) -> Iterator[ChangeDeadLettersResponse]:
    """Call until every dead letter of a request has its result."""
    left = list(request.dead_letter_ids)
    while True:
        response = call(stub, request)
        yield response
        left = left[len(response.results) :]
        if left:
            request = ChangeDeadLettersRequest(dead_letter_ids=left, validate_only=request.validate_only)
        elif response.next_page_token:
            request.filter.page_token = response.next_page_token
        else:
            return


def counted(number: int) -> str:
    """Return a number of dead letters in words."""
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"
