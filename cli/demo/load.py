"""The load of `ordermesh demo`: the load generator in a process of its own, and the screen meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from rich.console import Group, RenderableType
from rich.live import Live

from cli.output import charts
from cli.output.terminal import console
from cli.target import FrontProxy
from runtime.exit_codes import ExitCode
from runtime.grpc.client_tls import HTTPS
from runtime.identity.client_credential import with_credential

POLL_SECONDS = 0.5
# While Envoy or the gateway is down, the screen waits no longer for an answer.
STATUS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of the load generator in one phase."""

    protocol: str
    accepted: int
    failed: int
    # Of those that failed: whether they were stored is unknown.
    unanswered: int
    exit_code: int
    p50_ms: float
    p99_ms: float


def phase(
    front: FrontProxy,
    protocol: str,
    rate: int,
    seconds: int,
    beside: Callable[[], Sequence[RenderableType]],
    *,
    patient: bool = False,
) -> Sent:
    """Load the stack over one protocol, and show the pipeline meanwhile, with what is `beside` it.

    A patient load repeats what was refused, and tolerates that some is refused in the end.
    """
    with TemporaryDirectory(prefix="om-demo-") as folder:
        output = Path(folder) / "result.json"
        target = front.address if front.address.startswith(HTTPS) else f"http://{front.address}"
        arguments = ["--target", target, "--protocol", protocol, "--rate", str(rate)]
        arguments += ["--duration", f"{seconds}s", "--no-reconcile", "--output", str(output)]
        arguments += ["--retries", "100", "--max-error-share", "1"] if patient else []
        load = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", "loadgen", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=with_credential(front.credential),
        )
        watch(front, protocol, load, beside)
        printed = load.communicate()[0]
        if not output.exists():
            console.print(printed)
            return Sent(protocol, 0, 0, 0, ExitCode.ERRORS, 0.0, 0.0)
        result = json.loads(output.read_text())
    accepted = result["latency_ms"]["accepted"]
    orders = result["orders"]
    sent = Sent(
        protocol,
        orders["accepted"],
        orders["failed"],
        orders["unanswered"],
        load.returncode,
        accepted["p50"],
        accepted["p99"],
    )
    console.print(
        f"{protocol}: {sent.accepted:,} accepted, {sent.failed:,} failed; "
        f"latency {sent.p50_ms:.1f} ms (p50), {sent.p99_ms:.1f} ms (p99)"
    )
    return sent


def watch(
    front: FrontProxy, protocol: str, load: subprocess.Popen[str], beside: Callable[[], Sequence[RenderableType]]
) -> None:
    """Show the pipeline until the load generator exits; while it does not answer, the last that is known of it."""
    known: list[RenderableType] = []
    with front.channel() as channel, Live(console=console, auto_refresh=False, transient=True) as live:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        while load.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                status = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=STATUS_SECONDS)
                known = [charts.pipeline_table(status, protocol)]
                if not console.is_terminal:
                    console.print(charts.pipeline_line(status))
            if console.is_terminal:
                live.update(Group(*known, *beside()), refresh=True)
            time.sleep(POLL_SECONDS if console.is_terminal else 4 * POLL_SECONDS)
