"""`ordermesh demo`: a tour in two minutes: starts a stack, loads it, shows the pipeline, verifies, stops."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import grpc
import typer
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from rich.live import Live
from rich.text import Text

from cli.local.lifecycle import fetch, show_accounts, show_port_offset, show_state_change
from cli.output import charts
from cli.output.terminal import console, print_heading
from cli.pipeline import verify
from cli.target import FrontProxy
from runtime.exit_codes import ExitCode
from runtime.grpc.client_tls import HTTPS
from runtime.identity.client_credential import with_credential
from stack.identity.own_credentials import own_credential
from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.prepare import prepared
from stack.running_stack import start_on_free_ports
from stack.settings import StackSettings
from stack.supervision.front_certificate import use_own_certificates
from stack.supervision.stack_supervisor import Stack

PHASES = ("rest", "grpc")
POLL_SECONDS = 0.5
CALL_SECONDS = 5.0
WAIT_SECONDS = 30
Response = pipeline_pb2.ReconcileResponse


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of the load generator in one phase."""

    protocol: str
    accepted: int
    failed: int
    exit_code: int
    p50_ms: float
    p99_ms: float


def demo(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Orders per second.")] = 300,
    seconds: Annotated[int, typer.Option(min=2, max=600, help="Duration of the load over each of REST and gRPC.")] = 10,
) -> None:
    """Start a temporary stack, load it, verify that no event is lost, and stop it."""
    if not prepared():
        fetch()
    show_accounts()
    with temporary_home() as home, started(home) as stack:
        use_own_certificates(stack.state, stack.addresses["rest"])
        address = stack.addresses["rest"].removeprefix("http://")
        front = FrontProxy(address, own_credential(stack.state, stack.settings.auth))
        print_heading(f"{rate} orders a second, {seconds} s over REST and {seconds} s over gRPC, all through Envoy")
        sent = [phase(front, protocol, rate, seconds) for protocol in PHASES]
        print_heading("metrics counted from the events")
        charts.show_analytics(front)
        print_heading("reconciliation of orders, events and metrics")
        good = verify_counts(front, sent)
        print_heading("stopping")
    if not good:
        sys.exit(ExitCode.DIFFERS)
    console.print("everything agrees. Next: `ordermesh up`, then the curl commands in the README.")


@contextlib.contextmanager
def started(home: Path) -> Iterator[Stack]:
    """Run a stack on the ports of the settings, or on free ones when those are in use."""
    stack = start_on_free_ports(lambda: Stack(home, usable_settings(), on_state_change=show_state_change))
    try:
        yield stack
    finally:
        stack.down()


def usable_settings() -> StackSettings:
    """Return the settings, with free ports when theirs are in use, which is printed."""
    settings = StackSettings.load()
    if all(map(ports.is_usable, settings.local_ports().values())):
        return settings
    if settings.moves_ports:
        settings = StackSettings.with_free_ports()
        console.print(f"the ports in the settings are in use: uses free ones, {settings.front_port} for Envoy")
    else:
        settings = StackSettings.with_free_offset()
        show_port_offset(settings.port_offset)
    return settings


def phase(front: FrontProxy, protocol: str, rate: int, seconds: int) -> Sent:
    """Load the stack over one protocol, and show the pipeline meanwhile."""
    with TemporaryDirectory(prefix="om-demo-") as folder:
        output = Path(folder) / "result.json"
        target = front.address if front.address.startswith(HTTPS) else f"http://{front.address}"
        arguments = [
            "--target",
            target,
            "--protocol",
            protocol,
            "--rate",
            str(rate),
        ]
        arguments += ["--duration", f"{seconds}s", "--no-reconcile", "--output", str(output)]
        load = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", "loadgen", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=with_credential(front.credential),
        )
        watch(front, protocol, load)
        printed = load.communicate()[0]
        if not output.exists():
            console.print(printed)
            return Sent(protocol, 0, 0, ExitCode.ERRORS, 0.0, 0.0)
        result = json.loads(output.read_text())
    accepted = result["latency_ms"]["accepted"]
    orders = result["orders"]
    sent = Sent(protocol, orders["accepted"], orders["failed"], load.returncode, accepted["p50"], accepted["p99"])
    console.print(
        f"{protocol}: {sent.accepted:,} accepted, {sent.failed:,} failed; "
        f"latency {sent.p50_ms:.1f} ms (p50), {sent.p99_ms:.1f} ms (p99)"
    )
    return sent


def watch(front: FrontProxy, protocol: str, load: subprocess.Popen[str]) -> None:
    """Show the pipeline until the load generator exits."""
    with front.channel() as channel, Live(console=console, auto_refresh=False, transient=True) as live:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        while load.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                status = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=CALL_SECONDS)
                if console.is_terminal:
                    live.update(charts.pipeline_table(status, protocol), refresh=True)
                else:
                    console.print(charts.pipeline_line(status))
            time.sleep(POLL_SECONDS if console.is_terminal else 4 * POLL_SECONDS)


def verify_counts(front: FrontProxy, sent: list[Sent]) -> bool:
    """Reconcile, and compare with the orders acknowledged to the load generator; return whether everything agrees."""
    response = verify.await_verdict(front, WAIT_SECONDS)
    verify.show_response(response)
    acknowledged = sum(one.accepted for one in sent)
    counted = response.counted.orders
    same = counted == acknowledged
    look = "green" if same else "red"
    console.print(Text.assemble(f"acknowledged to the client {acknowledged:,}, counted ", (f"{counted:,}", look)))
    failed = [one.protocol for one in sent if one.exit_code != ExitCode.OK]
    if failed:
        console.print(f"the load generator reports errors over {' and '.join(failed)}", style="red")
    return same and not failed and response.verdict == Response.AGREES
