"""`ordermesh up | down | status | fetch`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.local.observe_link import observe_link, search_by_trace
from cli.local.session_link import dashboard_link
from cli.output.terminal import console, errors, ignore_output_errors, plain_table
from cli.pipeline.component_rows import ComponentRow, all_healthy, component_rows, query_gateway
from cli.pipeline.reconciled import reconciled_line
from cli.target import chooses_free_ports, local_status, require_status, settings_to_start
from runtime.exit_codes import ExitCode
from runtime.grpc.client_tls import HTTPS
from runtime.settings import PREFIX
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.machine_checks import landlock, open_files
from stack.prepare import prepare, prepared
from stack.processes import privileges
from stack.processes.server_account import create_missing
from stack.running_stack import start_on_free_ports
from stack.servers.kafka.brokers import BROKERS_SETTING
from stack.settings import StackSettings
from stack.supervision.orphans import stop_running
from stack.supervision.stack_context import accounts
from stack.supervision.stack_supervisor import Stack
from stack.supervision.status import StackStatus, State, read_status
from stack.supervision.status_board import StateChange

STOP_SECONDS = 60.0
AUTHENTICATION = {
    "off": "authentication: off, loopback only: every process on this machine is an operator",
    "keys": "authentication: API keys, see `ordermesh keys`",
    "jwt": "authentication: JSON web tokens",
}
POLL_SECONDS = 0.2
LOOK = {State.READY: "green", State.DONE: "dim", State.DOWN: "red", State.FAILED: "red", State.STARTING: "yellow"}
LOOK |= {State.WAITING: "dim", State.STOPPED: "dim", State.DRAINING: "yellow", State.DEGRADED: "yellow"}


def fetch() -> None:
    """Download Apache Kafka and Swagger UI; `up` does it when there is no Kafka."""
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("downloads", total=None)
        prepare(progress=lambda done, total, name: bar.update(task, completed=done, total=total))


def fetch_observers(*, logs: bool) -> None:
    """Download what observes a stack; print what cannot be had, without which the platform starts as well."""
    # Imported with it only.
    from stack.observe.prepare import prepare, prepared

    if prepared(logs=logs):
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("downloads", total=None)

        def show(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)

        missing = list(prepare(show, logs=logs))
    for line in missing:
        console.print(line, style="yellow", soft_wrap=True)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Run in the background; return when all components are ready.")
    ] = False,
    brokers: Annotated[int | None, typer.Option(help="Kafka brokers, 1 or 3; the setting's by default.")] = None,
    port_offset: Annotated[
        int | None, typer.Option(min=0, max=40_000, help="Offset added to the default of each port.")
    ] = None,
    observe: Annotated[bool, typer.Option("--observe", help="Start Prometheus, Alertmanager and Zipkin too.")] = False,
    logs: Annotated[
        bool, typer.Option("--logs", help="--observe, and OpenSearch for the log lines of all programs.")
    ] = False,
    # Of the process behind `--detach`, whose output is a log: addresses with a login are not for logs.
    show: Annotated[bool, typer.Option("--show/--no-show", hidden=True)] = True,
) -> None:
    """Start a local stack, keep it running, and stop it on Ctrl-C."""
    if brokers is not None:
        os.environ[BROKERS_SETTING] = str(brokers)
        if StackSettings.load().external_kafka:
            raise typer.BadParameter("--brokers is for the local Kafka, but ORDERMESH_KAFKA_BOOTSTRAP is set")
    if port_offset is not None:
        os.environ[f"{PREFIX}PORT_OFFSET"] = str(port_offset)
    prepare_to_start("logs" if logs else "on" if observe else None)
    if detach:
        start_detached()
        return
    ignore_output_errors()
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: interrupted.set())
    started_at = time.monotonic()
    stack = start(interrupted)
    if not interrupted.is_set():
        if show:
            show_ready(stack.status, time.monotonic() - started_at)
        interrupted.wait()
    console.print("stopping")
    stack.down()
    console.print("stopped; orders, events and metrics are kept for the next `ordermesh up`")


def prepare_to_start(observe: Literal["on", "logs"] | None) -> None:
    """Download what is missing for a stack; `observe` replaces that setting, unless it is None."""
    if observe:
        os.environ[f"{PREFIX}OBSERVE"] = observe
    if not prepared():
        fetch()
    if (observed := StackSettings.load().observe) != "off":
        fetch_observers(logs=observed == "logs")


def start(interrupted: threading.Event) -> Stack:
    """Start the stack; when it chooses free ports by itself, again with others if one is taken meanwhile."""
    # When the stack of this folder is running, the error must be about its lock and not about ports.
    moves = chooses_free_ports(StackSettings.load()) and local_status() is None
    show_accounts()

    def make() -> Stack:
        settings = settings_to_start()
        if moves:
            show_port_offset(settings.port_offset)
        return Stack(settings=settings, on_state_change=show_state_change)

    if moves:
        return start_on_free_ports(make, interrupted)
    stack = make()
    stack.up(interrupted)
    return stack


def show_accounts() -> None:
    """Create the accounts of the servers that are missing, when root starts a stack, and print what to know of them."""
    for line in filter(None, (create_missing(*accounts(StackSettings.load())), privileges.notice())):
        console.print(line, soft_wrap=True)


def show_port_offset(offset: int) -> None:
    """Print the port offset, if any."""
    if offset:
        console.print(f"the default ports are in use: all ports are moved by {offset}")


def start_detached() -> None:
    """Start `ordermesh up` in a session of its own and block until it is ready; exit with its error otherwise."""
    home = StateFolder(default_home())
    log = home.logs / "up.log"
    # It says what `up` says: for ourselves.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        child = subprocess.Popen(  # our own module
            [sys.executable, "-P", "-m", "cli", "up", "--no-show"],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    started_at = time.monotonic()
    while child.poll() is None:
        known = read_status(home.status)
        if known is not None and known.supervisor.pid == child.pid and known.ready:
            if chooses_free_ports(StackSettings.load()):
                show_port_offset(known.port_offset)
            show_ready(known, time.monotonic() - started_at)
            return
        time.sleep(POLL_SECONDS)
    # The child has printed its error: repeat it, with the same exit code.
    errors.print(Text(log.read_text().strip()), soft_wrap=True)
    sys.exit(child.returncode)


def down() -> None:
    """Stop the local stack that runs detached or in another terminal."""
    home = default_home()
    if home.is_dir() and stop_running(StateFolder(home).status, STOP_SECONDS):
        console.print("stopped")
    else:
        console.print("no stack is running")


def status() -> None:
    """Show the state, address and restarts of each component; the exit code is 0 when all are ready."""
    known = require_status()
    pipeline = query_gateway(known)
    found = list(component_rows(known, pipeline))
    console.print(components_table(found))
    if pipeline is not None:
        console.print(reconciled_line(pipeline.reconciliation), soft_wrap=True)
    if not (check := landlock()).passed:
        console.print(f"{check.name}: {check.found}; {check.remedy}", soft_wrap=True)
    if not all_healthy(found):
        sys.exit(ExitCode.DIFFERS)


def show_state_change(change: StateChange) -> None:
    """Print the new state of a component."""
    look = LOOK.get(change.state, "dim")
    detail = f"  {change.detail}" if change.detail else ""
    state = (f"{change.state:<9}", look)
    console.print(Text.assemble(f"{change.at[11:19]}  ", state, f" {change.component}{detail}"), soft_wrap=True)


def show_ready(known: StackStatus, seconds: float) -> None:
    """Print the components, the addresses and example commands."""
    console.print(components_table(list(component_rows(known, None, queried=False))))
    rest, grpc = known.addresses["rest"], known.addresses["grpc"]
    console.print(f"\nready in {seconds:.1f} s; {AUTHENTICATION[known.authentication]}", soft_wrap=True)
    for check in (open_files(), landlock()):
        if not check.passed:
            console.print(f"{check.name}: {check.found}; {check.remedy}", soft_wrap=True)
    console.print(f"dashboard: {dashboard_link(known)}   (`ordermesh open`)", soft_wrap=True)
    console.print(f"API documentation: {rest}/docs", soft_wrap=True)
    if "observe" in known.addresses:
        console.print(f"metrics, alerts, traces: {observe_link(known)}   (`ordermesh open observe`)", soft_wrap=True)
    if "opensearch" in known.components:
        console.print(f"log lines of one order, by its trace id: {search_by_trace(known)}", soft_wrap=True)
    console.print("\nTry:\n")
    for line in examples(rest, grpc, trusting(rest), authenticated=known.authentication != "off"):
        console.print(f"  {line}", soft_wrap=True)
    console.print()


def trusting(rest: str) -> tuple[str, str]:
    """Return the options of curl and grpcurl for the front proxy."""
    if not rest.startswith(HTTPS):
        return "", "-plaintext "
    authority = StateFolder(default_home()).front_authority
    if not authority.exists():
        return "", ""
    return f"--cacert {authority} ", f"-cacert {authority} "


def examples(
    rest: str, grpc: str, trust: tuple[str, str] = ("", "-plaintext "), *, authenticated: bool = False
) -> list[str]:
    """Return example commands for a shell, with the options of curl and grpcurl for TLS and for a key."""
    curl, grpcurl = (f"{command}{options}" for command, options in zip(("curl -s ", "grpcurl "), trust, strict=True))
    if authenticated:
        # Not in a command line, which every account of the machine can read.
        curl = f"ordermesh keys operator --header | {curl}-H @- "
        grpcurl = f"KEY=$(ordermesh keys operator) {grpcurl}-expand-headers -H 'authorization: Bearer ${{KEY}}' "
    line = '{"productId":"p1","quantity":2,"price":10}'
    order = '{"customerId":"cust-123","items":[' + line + "]}"
    return [
        f"{curl}{rest}/orders -H 'content-type: application/json' -d '{order}'",
        f"{curl}{rest}/orders",
        f"{curl}{rest}/v1/analytics/sales-summary",
        f"{grpcurl}{grpc} list",
        f"{grpcurl}-d '{order}' {grpc} ordermesh.orders.v1.OrderService/CreateOrder",
        "ordermesh psql orders",
        "ordermesh load --rate 200 --duration 30s",
    ]


def components_table(found: list[ComponentRow]) -> Table:
    """Return a table of components."""
    table = plain_table("component", "state", ">pid", ">restarts", "address")
    for row in found:
        state = Text.assemble((row.state, LOOK.get(row.state, "red")), f" {row.detail}")
        restarts = "" if row.restarts is None else str(row.restarts)
        table.add_row(row.name, state, str(row.pid or ""), restarts, row.address)
    return table
