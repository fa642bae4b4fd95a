"""`ordermesh demo`: a tour in two minutes: starts a stack, loads it, shows the pipeline, verifies, stops.

With --chaos, its servers and services are killed at random meanwhile.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from ordermesh.gateway.v1 import pipeline_pb2
from rich.table import Table
from rich.text import Text

from cli.demo.chaos import Chaos
from cli.demo.load import Sent, phase
from cli.local.lifecycle import (
    components_table,
    prepare_to_start,
    show_accounts,
    show_port_offset,
    show_state_change,
)
from cli.local.session_link import dashboard_link
from cli.output import charts
from cli.output.terminal import console, print_heading
from cli.pipeline import verify
from cli.pipeline.component_rows import component_rows
from cli.target import FrontProxy
from runtime.exit_codes import ExitCode
from stack.errors import ServerFailed
from stack.identity.own_credentials import own_credential
from stack.machine import ports
from stack.machine.state_folder import temporary_home
from stack.processes.waiting import wait_until
from stack.running_stack import start_on_free_ports
from stack.settings import StackSettings
from stack.supervision.front_certificate import use_own_certificates
from stack.supervision.stack_supervisor import Stack

PHASES = ("rest", "grpc")
CALM_SECONDS, CHAOS_SECONDS = 10, 40
REPAIR_SECONDS = 60.0
WAIT_SECONDS = 30
Response = pipeline_pb2.ReconcileResponse


def demo(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Orders per second.")] = 300,
    seconds: Annotated[
        int | None,
        typer.Option(min=2, max=600, help="Duration of the load over each of REST and gRPC: 10, with --chaos 40."),
    ] = None,
    chaos: Annotated[bool, typer.Option("--chaos", help="Kill servers and services at random meanwhile.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Repeat the victims of --chaos; random by default.")
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="With Prometheus, Alertmanager and Zipkin: ends with what to open.")
    ] = False,
) -> None:
    """Start a temporary stack, load it, verify that no event is lost, and stop it."""
    if seed is not None and not chaos:
        raise typer.BadParameter("--seed is for --chaos")
    prepare_to_start("on" if observe else None)
    show_accounts()
    seconds = seconds or (CHAOS_SECONDS if chaos else CALM_SECONDS)
    with temporary_home() as home, started(home) as stack:
        use_own_certificates(stack.state, stack.addresses["rest"])
        address = stack.addresses["rest"].removeprefix("http://")
        front = FrontProxy(address, own_credential(stack.state, stack.settings.auth))
        print_heading(f"{rate} orders a second, {seconds} s over REST and {seconds} s over gRPC, all through Envoy")
        console.print(f"dashboard: {dashboard_link(stack.status)}", soft_wrap=True)
        if chaos:
            sent = under_chaos(stack, front, rate, seconds, random.randrange(2**32) if seed is None else seed)  # noqa: S311  # no secret
        else:
            sent = [phase(front, protocol, rate, seconds, lambda: ()) for protocol in PHASES]
        print_heading("metrics counted from the events")
        charts.show_analytics(front)
        print_heading("reconciliation of orders, events and metrics")
        good = verify_counts(front, sent)
        show_observed(stack, front)
        print_heading("stopping")
    if not good:
        sys.exit(ExitCode.DIFFERS)
    console.print("everything agrees. Next: `ordermesh up`, then the curl commands in the README.")


def show_observed(stack: Stack, front: FrontProxy) -> None:
    """Print what to open of `--observe`, and keep it running for a person who reads this."""
    observation = stack.context.observation
    if observation is None:
        return
    # Imported with it only.
    from cli.demo import observed

    print_heading("metrics and traces")
    observed.show(front, observation)
    observed.wait_for_the_person()


def under_chaos(stack: Stack, front: FrontProxy, rate: int, seconds: int, seed: int) -> list[Sent]:
    """Load the stack while its processes are killed; afterwards wait until everything is ready."""
    console.print(f"seed {seed} (repeat with --chaos --seed {seed})")
    sent: list[Sent] = []
    killed: Counter[str] = Counter()
    for number, protocol in enumerate(PHASES):
        with Chaos(stack, seed + number, show_kill) as chaos:
            sent.append(phase(front, protocol, rate, seconds, lambda: (components(stack),), patient=True))
        killed += chaos.killed
        # The next load, and the reconciliation, begin on a platform that is whole again.
        if not wait_until(lambda: stack.status.ready, REPAIR_SECONDS):
            raise ServerFailed(f"not every component is ready {REPAIR_SECONDS:g} s after the last kill")
    names = ", ".join(f"{name} {count}" for name, count in killed.most_common())
    console.print(f"killed {killed.total()} processes: {names}", soft_wrap=True)
    return sent


def show_kill(text: str) -> None:
    """Print what was killed."""
    console.print(Text.assemble(f"{datetime.now(UTC):%H:%M:%S}  ", (text, "bold red")), soft_wrap=True)


def components(stack: Stack) -> Table:
    """Return the components of a stack with their states."""
    return components_table(list(component_rows(stack.status, None, queried=False)))


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


def verify_counts(front: FrontProxy, sent: list[Sent]) -> bool:
    """Reconcile, and compare with the orders acknowledged to the load generator; return whether everything agrees."""
    response = verify.await_verdict(front, WAIT_SECONDS)
    verify.show_response(response)
    acknowledged = sum(one.accepted for one in sent)
    counted = response.counted.orders
    unanswered = sum(one.unanswered for one in sent)
    same = acknowledged <= counted <= acknowledged + unanswered
    look = "green" if same else "red"
    told = f"acknowledged to the client {acknowledged:,}" + (f", unanswered {unanswered:,}" if unanswered else "")
    console.print(Text.assemble(f"{told}, counted ", (f"{counted:,}", look)))
    failed = [one.protocol for one in sent if one.exit_code != ExitCode.OK]
    if failed:
        console.print(f"the load generator reports errors over {' and '.join(failed)}", style="red")
    return same and not failed and response.verdict == Response.AGREES
