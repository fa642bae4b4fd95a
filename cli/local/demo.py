"""`ordermesh demo`: everything once, in two minutes: start, load, watch, sum up, prove, stop."""

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

from cli.local.lifecycle import fetch, show_move, show_state_change
from cli.output import charts
from cli.output.terminal import console, print_heading
from cli.pipeline import verify
from runtime.exit_codes import ExitCode
from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.prepare import prepared
from stack.running_stack import start_on_free_ports
from stack.settings import StackSettings
from stack.supervision.stack_supervisor import Stack

PHASES = ("rest", "grpc")
POLL_SECONDS = 0.5
CALL_SECONDS = 5.0
WAIT_SECONDS = 30
Response = pipeline_pb2.ReconcileResponse


@dataclass(frozen=True, slots=True)
class Sent:
    """What the generator had acknowledged in one phase."""

    protocol: str
    accepted: int
    failed: int
    exit_code: int
    p50_ms: float
    p99_ms: float


def demo(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Orders per second.")] = 300,
    seconds: Annotated[int, typer.Option(min=2, max=600, help="How long each of REST and gRPC is loaded.")] = 10,
) -> None:
    """Start a stack of its own, load it, show it live, prove that nothing is lost, stop."""
    if not prepared():
        fetch()
    with temporary_home() as home, started(home) as stack:
        address = stack.addresses["grpc"]
        print_heading(f"{rate} orders a second, {seconds} s over REST and {seconds} s over gRPC, all through Envoy")
        sent = [phase(address, protocol, rate, seconds) for protocol in PHASES]
        print_heading("what the events add up to")
        charts.show_analytics(address)
        print_heading("is anything lost or counted twice?")
        good = prove(address, sent)
        print_heading("stopping")
    if not good:
        sys.exit(ExitCode.DIFFERS)
    console.print("everything agrees. Next: `ordermesh up`, then the README's curl lines.")


@contextlib.contextmanager
def started(home: Path) -> Iterator[Stack]:
    """Run a stack on the usual ports, on others where those are taken."""
    stack = start_on_free_ports(lambda: Stack(home, usable_settings(), on_state_change=show_state_change))
    try:
        yield stack
    finally:
        stack.down()


def usable_settings() -> StackSettings:
    """Return the settings with their own ports, with other ones where those are taken, and say so."""
    settings = StackSettings.load()
    if all(map(ports.is_usable, settings.local_ports().values())):
        return settings
    if settings.moves_ports:
        settings = StackSettings.with_free_ports()
        console.print(f"the ports of the settings are in use: others are used, Envoy's is {settings.front_port}")
    else:
        settings = StackSettings.with_free_offset()
        show_move(settings.port_offset)
    return settings


def phase(address: str, protocol: str, rate: int, seconds: int) -> Sent:
    """Load over one protocol with the pipeline shown live."""
    with TemporaryDirectory(prefix="om-demo-") as folder:
        output = Path(folder) / "result.json"
        arguments = ["--target", f"http://{address}", "--protocol", protocol, "--rate", str(rate)]
        arguments += ["--duration", f"{seconds}s", "--no-reconcile", "--output", str(output)]
        load = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-P", "-m", "loadgen", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watch(address, protocol, load)
        words = load.communicate()[0]
        if not output.exists():
            console.print(words)
            return Sent(protocol, 0, 0, ExitCode.ERRORS, 0.0, 0.0)
        result = json.loads(output.read_text())
    accepted = result["latency_ms"]["accepted"]
    orders = result["orders"]
    sent = Sent(protocol, orders["accepted"], orders["failed"], load.returncode, accepted["p50"], accepted["p99"])
    console.print(
        f"{protocol}: {sent.accepted:,} accepted, {sent.failed:,} failed; "
        f"answered in {sent.p50_ms:.1f} ms (median), {sent.p99_ms:.1f} ms (99 of 100)"
    )
    return sent


def watch(address: str, protocol: str, load: subprocess.Popen[str]) -> None:
    """Show the pipeline until the generator ends."""
    with grpc.insecure_channel(address) as channel, Live(console=console, auto_refresh=False, transient=True) as live:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        while load.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                status = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=CALL_SECONDS)
                if console.is_terminal:
                    live.update(charts.pipeline_table(status, protocol), refresh=True)
                else:
                    console.print(charts.pipeline_line(status))
            time.sleep(POLL_SECONDS if console.is_terminal else 4 * POLL_SECONDS)


def prove(address: str, sent: list[Sent]) -> bool:
    """Reconcile, compare with what the generator had acknowledged, and say whether everything agrees."""
    response = verify.settled(address, WAIT_SECONDS)
    verify.show(response)
    acknowledged = sum(one.accepted for one in sent)
    counted = response.counted.orders
    same = counted == acknowledged
    look = "green" if same else "red"
    console.print(Text.assemble(f"acknowledged to the generator {acknowledged:,}, counted ", (f"{counted:,}", look)))
    failed = [one.protocol for one in sent if one.exit_code != ExitCode.OK]
    if failed:
        console.print(f"the generator reports errors over {' and '.join(failed)}", style="red")
    return same and not failed and response.verdict == Response.AGREES
