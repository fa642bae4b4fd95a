"""A running stack as a context manager, with ports and a folder of its own so that several run side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from grpc import Channel

from runtime.grpc.client_tls import open_channel
from runtime.identity.client_credential import authenticated
from stack.errors import PortTaken, ServerFailed
from stack.identity.own_credentials import own_credential
from stack.machine.state_folder import temporary_home
from stack.processes import proc
from stack.processes.waiting import wait_until
from stack.settings import StackSettings
from stack.supervision.stack_context import StackContext, ordermesh_env
from stack.supervision.stack_supervisor import Stack
from stack.supervision.status import ComponentStatus, State
from stack.supervision.status_board import StateChange

# Stacks that start at the same time may choose the same ports; in each attempt one of them gets its ports.
ATTEMPTS = 10


class RunningStack:
    """A stack that runs in this process, as tests and benchmarks use it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @property
    def context(self) -> StackContext:
        """The settings, folders, sockets and DSNs."""
        return self.stack.context

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses: rest, grpc, envoy_stats, kafka."""
        return self.stack.addresses

    @property
    def rest(self) -> str:
        """The base URL of the front proxy."""
        return self.addresses["rest"]

    @property
    def grpc(self) -> str:
        """The gRPC target of the front proxy."""
        return self.addresses["grpc"]

    @property
    def credential(self) -> str | None:
        """An operator's key or token, None without authentication."""
        return own_credential(self.stack.state, self.stack.settings.auth)

    def channel(self) -> Channel:
        """Return a gRPC channel to the front proxy, as an operator."""
        return authenticated(open_channel(self.rest.removeprefix("http://")), self.credential)

    def component(self, name: str) -> ComponentStatus:
        """Return the status of a component."""
        return self.stack.status.components[name]

    def pid(self, name: str) -> int:
        """Return the pid of a component; raise ServerFailed when it is down."""
        pid = self.component(name).pid
        if pid is None:
            raise ServerFailed(f"{name} is {self.component(name).state}, without a process")
        return pid

    def children(self, name: str) -> list[int]:
        """Return the pids of a component's children: the serving processes of orders, the workers of processor."""
        return proc.descendants(self.pid(name))

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> int:
        """Send a component's process a signal; return how often it had been restarted before."""
        restarts = self.component(name).restarts
        os.kill(self.pid(name), signal_number)
        return restarts

    def await_restart(self, name: str, restarts: int, timeout_seconds: float = 90) -> None:
        """Block until a component has been restarted more often than restarts and is ready again."""

        def restarted() -> bool:
            now = self.component(name)
            return now.restarts > restarts and now.state == State.READY

        self.wait_until(restarted, timeout_seconds, f"{name} is ready again")

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
        """Block until the condition holds; raise ServerFailed with its description when it does not in time."""
        if not wait_until(condition, timeout_seconds):
            raise ServerFailed(f"not within {timeout_seconds:g} s: {what}")


def start_on_free_ports(make: Callable[[], Stack], interrupted: threading.Event | None = None) -> Stack:
    """Start the stack that `make` returns, and another one when one of its ports was taken in the meantime."""
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
    on_state_change: Callable[[StateChange], None] = lambda event: None,
    **settings: object,
) -> Iterator[RunningStack]:
    """Run a stack on free ports, in a temporary folder when no home is given.

    `env` holds further settings of the services by their full names, `settings` fields of StackSettings.
    """
    with contextlib.ExitStack() as held:
        folder = home or held.enter_context(temporary_home())
        stack = held.enter_context(started(folder, {**ordermesh_env(), **(env or {})}, on_state_change, settings))
        yield RunningStack(stack)


@contextlib.contextmanager
def started(
    home: Path, env: Mapping[str, str], on_state_change: Callable[[StateChange], None], settings: Mapping[str, object]
) -> Iterator[Stack]:
    """Run a stack on free ports."""
    stack = start_on_free_ports(
        lambda: Stack(home, StackSettings.with_free_ports(**settings), env=env, on_state_change=on_state_change)
    )
    try:
        yield stack
    finally:
        stack.down()
