"""`ordermesh verify`: the reconciliation of orders, events and metrics."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.output.terminal import console, plain_table
from cli.target import FrontProxy, Target, front_proxy
from runtime import timestamps
from runtime.exit_codes import ExitCode

Response = pipeline_pb2.ReconcileResponse
SPARE_SECONDS = 30
PAUSE_SECONDS = 0.5
PROGRESS_SECONDS = 1


def verify(
    target: Target = None,
    wait: Annotated[int, typer.Option(min=1, max=300, help="Seconds to wait for events in flight.")] = 30,
    full: Annotated[
        bool, typer.Option("--full", help="Recompute both sides from all rows that are held; takes minutes.")
    ] = False,
) -> None:
    """Compare orders and metrics; the exit code is 0 when they agree."""
    front = front_proxy(target)
    response = await_full_verdict(front) if full else await_verdict(front, wait)
    show_response(response)
    if response.verdict != Response.AGREES:
        sys.exit(ExitCode.DIFFERS)


def await_verdict(front: FrontProxy, wait_seconds: int) -> Response:
    """Reconcile, and again while events are in flight, for `wait_seconds` at most. Raises grpc.RpcError."""
    deadline = time.monotonic() + wait_seconds
    while True:
        response = reconcile(front, max(1, round(deadline - time.monotonic())))
        if response.verdict != Response.IN_FLIGHT or time.monotonic() >= deadline:
            return response
        time.sleep(PAUSE_SECONDS)


def await_full_verdict(front: FrontProxy) -> Response:
    """Reconcile from all rows, and show the progress. Raises grpc.RpcError."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("days", total=None)
        while True:
            response = reconcile(front, PROGRESS_SECONDS, full=True)
            if response.verdict != Response.VERDICT_UNSPECIFIED:
                return response
            bar.update(task, total=response.audit.days or None, completed=response.audit.days_done)


def reconcile(front: FrontProxy, wait_seconds: int, *, full: bool = False) -> Response:
    """Call Reconcile. Raises grpc.RpcError."""
    with front.channel() as channel:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        request = pipeline_pb2.ReconcileRequest(wait_seconds=wait_seconds, full=full)
        response: Response = stub.Reconcile(request, timeout=wait_seconds + SPARE_SECONDS)
        return response


def show_response(response: Response) -> None:
    """Print published and counted totals, the verdict and the findings."""
    table = plain_table("reconciliation", ">events", ">orders", ">units", ">revenue")
    for name, totals in (("published", response.published), ("counted", response.counted)):
        table.add_row(name, f"{totals.events:,}", f"{totals.orders:,}", f"{totals.units:,}", f"{totals.revenue:,.2f}")
    console.print(table)
    look = (
        "green" if response.verdict == Response.AGREES else "red" if response.verdict == Response.DIFFERS else "yellow"
    )
    verdict = Response.Verdict.Name(response.verdict)
    console.print(Text.assemble((verdict, look), f": {response.summary} ({response.duration_ms:,} ms)"))
    show_coverage(response)
    for finding in response.findings:
        console.print(f"  {Response.Finding.Kind.Name(finding.kind)}: {finding.message}")


def show_coverage(response: Response) -> None:
    """Print what the verdict covers."""
    parts = [f"{response.compared_orders:,} orders compared with their events"]
    if response.HasField("audit"):
        parts.append(f"{response.audit.rows:,} rows compared with the ledgers of {response.audit.days:,} days")
    if response.HasField("coverage_start_time"):
        parts.append(f"from {timestamps.minute_text(response.coverage_start_time.seconds)} on")
    if response.HasField("ids_start_time"):
        parts.append(f"single events from {timestamps.minute_text(response.ids_start_time.seconds)} on")
    console.print(f"  {', '.join(parts)}")
