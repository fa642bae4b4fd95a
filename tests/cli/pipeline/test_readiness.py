"""What `ordermesh status` reports of stopped, stuck, crash-looping, draining and overloaded components."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from command import await_true
from seed import seeded_stack

from cli.pipeline.component_rows import ComponentRow, all_healthy, component_rows, query_gateway
from faults.injection.stopped import stopped
from stack.processes import proc
from stack.running_stack import RunningStack
from stack.supervision.status import State, read_status

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningStack]:
    # So few calls at a time that a handful of clients is too much for one process.
    with seeded_stack(env={"ORDERMESH_ORDERS_MAX_IN_FLIGHT": "2"}) as made:
        yield made


def look(running: RunningStack) -> dict[str, ComponentRow]:
    """Return the lines of `ordermesh status` by row."""
    known = read_status(running.stack.state.status)
    assert known is not None
    return {row.name: row for row in component_rows(known, query_gateway(known))}


def troubled(running: RunningStack) -> dict[str, str]:
    return {name: f"{row.state}: {row.detail}" for name, row in look(running).items() if row.state != State.READY}


@pytest.fixture(autouse=True)
def well_before_and_after(running: RunningStack) -> Iterator[None]:
    """Begin with everything ready, and end so: who recovers is said to be ready again."""
    await_true(lambda: all_healthy(list(look(running).values())), lambda: str(troubled(running)))
    yield
    await_true(lambda: all_healthy(list(look(running).values())), lambda: str(troubled(running)))


def await_trouble(running: RunningStack, told: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Wait until the status tells what is expected; return what it tells."""
    seen: list[dict[str, str]] = []

    def tells() -> bool:
        seen.append(troubled(running))
        return told(seen[-1])

    await_true(tells, lambda: str(seen[-1]))
    return seen[-1]


@pytest.mark.parametrize("name", ["kafka", "publisher", "analytics", "gateway", "envoy"])
def test_a_stopped_component_is_reported(running: RunningStack, name: str) -> None:
    with stopped(running.pid(name)):
        await_trouble(running, lambda told: name in told)


@pytest.mark.parametrize("name", ["orders", "processor"])
def test_one_stopped_process_of_several_is_reported(running: RunningStack, name: str) -> None:
    with stopped(running.children(name)[0]):
        told = await_trouble(running, lambda told: name in told and "1 of 2" in told[name])
    assert told[name].startswith("degraded: 1 of 2 ")


def test_a_stopped_postgresql_is_reported_by_itself_and_by_the_services_that_use_it(running: RunningStack) -> None:
    server = running.pid("postgres")
    with stopped(server, *proc.descendants(server)):
        await_trouble(
            running,
            lambda told: (
                told.get("postgresql-orders", "").startswith("down")
                and told.get("postgresql-analytics", "").startswith("down")
                and "needs postgresql-orders" in told.get("orders", "")
                and "needs postgresql-analytics" in told.get("analytics", "")
                and "postgres" in told
            ),
        )


def test_a_crash_looping_component_and_child_process_are_reported(running: RunningStack) -> None:
    def end_both(told: dict[str, str]) -> bool:
        for pid in (running.component("publisher").pid, *running.children("processor")[:1]):
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(pid, signal.SIGKILL)  # type: ignore[arg-type]  # None while it is down
        return all(told.get(name, "").startswith("crash looping") for name in ("publisher", "processor"))

    await_trouble(running, end_both)


def test_a_draining_process_is_reported(running: RunningStack) -> None:
    os.kill(running.children("orders")[0], signal.SIGTERM)
    await_trouble(running, lambda told: told.get("orders", "").startswith("draining"))


def test_a_service_that_rejects_requests_is_reported(running: RunningStack) -> None:
    words = ["--rate", "400", "--protocol", "grpc", "--duration", "5m", "--no-reconcile", "--max-error-share", "1"]
    command = [sys.executable, "-m", "loadgen", "--target", running.rest, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as load:
        try:
            await_trouble(running, lambda told: "overloaded: refuses" in told.get("orders", ""))
        finally:
            load.kill()
