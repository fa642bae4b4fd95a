"""A whole stack as a context, for tests and benchmarks: its own ports and folder, so that several run side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from stack.errors import PortTaken, ServerFailed
from stack.machine.paths import temporary_home
from stack.processes import proc
from stack.settings import StackSettings
from stack.supervision.board import Event
from stack.supervision.site import Site, given_env
from stack.supervision.status import ComponentStatus, State
from stack.supervision.supervisor import Stack

# Of stacks that start at once one gets its ports in each round.
ATTEMPTS = 10
POLL_SECONDS = 0.05


class RunningStack:
    """Gives what a test needs of a stack that runs in this process."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @property
    def site(self) -> Site:
        """Settings, folders, sockets and DSNs."""
        return self.stack.site

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses: rest, grpc, envoy_admin, envoy_stats, kafka."""
        return self.stack.addresses

    @property
    def rest(self) -> str:
        """The base URL of the front door."""
        return self.addresses["rest"]

    @property
    def grpc(self) -> str:
        """The gRPC target of the front door."""
        return self.addresses["grpc"]

    def component(self, name: str) -> ComponentStatus:
        """Return the status of a component."""
        return self.stack.status.components[name]

    def pid(self, name: str) -> int:
        """Return the process of a component; raise ServerFailed when it is down."""
        pid = self.component(name).pid
        if pid is None:
            raise ServerFailed(f"{name} is {self.component(name).state}, it has no process")
        return pid

    def children(self, name: str) -> list[int]:
        """Return the processes below a component's own: the serving processes of orders, the workers of processor."""
        return proc.descendants(self.pid(name))

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> int:
        """Send a component's process a signal and return how often it had been restarted before."""
        restarts = self.component(name).restarts
        os.kill(self.pid(name), signal_number)
        return restarts

    def await_restart(self, name: str, restarts: int, timeout_seconds: float = 90) -> None:
        """Block until a component has been restarted more often than restarts and is ready again."""

        def back() -> bool:
            now = self.component(name)
            return now.restarts > restarts and now.state == State.READY

        self.wait_until(back, timeout_seconds, f"{name} is ready again")

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
        """Block until the condition holds; raise ServerFailed that names what did not come about."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ServerFailed(f"not within {timeout_seconds:g} s: {what}")
            time.sleep(POLL_SECONDS)


def start_movable(make: Callable[[], Stack], interrupted: threading.Event | None = None) -> Stack:
    """Start the stack that `make` returns, the next one when somebody was faster to take one of its free ports."""
    for _ in range(ATTEMPTS - 1):
        stack = make()
        with contextlib.suppress(PortTaken):
            stack.up(interrupted)
            return stack
    stack = make()
    stack.up(interrupted)
    return stack


@contextlib.contextmanager
def running_stack(
    home: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: object,
) -> Iterator[RunningStack]:
    """Run a stack on free ports; a folder of its own is made and removed again when no home is given.

    `env` are further settings of the services, by their full names; `settings` are fields of StackSettings.
    """
    with contextlib.ExitStack() as held:
        folder = home or held.enter_context(temporary_home())
        stack = held.enter_context(started(folder, {**given_env(), **(env or {})}, on_event, settings))
        yield RunningStack(stack)


@contextlib.contextmanager
def started(
    home: Path, env: Mapping[str, str], on_event: Callable[[Event], None], settings: Mapping[str, object]
) -> Iterator[Stack]:
    """Start a stack on free ports and stop it in the end."""
    stack = start_movable(lambda: Stack(home, StackSettings.with_free_ports(**settings), env=env, on_event=on_event))
    try:
        yield stack
    finally:
        stack.down()
