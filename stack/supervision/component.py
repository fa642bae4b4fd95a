"""A component of a stack, and how components that run one of our modules are made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from runtime.process.shutdown import STOP_SECONDS
from runtime.settings import FILE_SUFFIX, PREFIX, settings_of
from stack.errors import PortTaken
from stack.machine import ports
from stack.machine.held_port import HeldPort
from stack.machine.ports import LOOPBACK
from stack.processes import privileges
from stack.processes.logfile import LogFile
from stack.processes.process import Command, inherited_env
from stack.processes.runners import Runner, Service, Task
from stack.supervision.health_checks import CheckResult, answer_state
from stack.supervision.stack_context import StackContext
from stack.supervision.status import State

CHECK_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class Component:
    """A server, service or task of the stack; `once` marks a task, which ends by itself."""

    name: str
    runner: Runner
    # Started once these are ready or done.
    depends_on: tuple[str, ...] = ()
    once: bool = False
    # Without one that is not required, the stack starts as well.
    required: bool = True
    address: str = ""
    logs: tuple[LogFile, ...] = ()
    # The state while its process runs; blocks for at most CHECK_SECONDS.
    check: Callable[[], CheckResult] = lambda: (State.READY, "")
    # The interval of its checks while it is ready.
    check_seconds: float = CHECK_INTERVAL_SECONDS


class HeldService(Service):
    """A service whose metrics port is held for its account, so that no other one takes it while the service is down."""

    def __init__(self, command: Command, log: LogFile, probe: Callable[[], bool], port: int) -> None:
        super().__init__(command, log, probe)
        self._port = port
        self._held = HeldPort(port, command.account)
        self._held.hold()

    def start(self) -> None:
        """Start the process. Raises PortTaken when another one listens on its port, with who that is."""
        self._held.hold()
        if others := ports.listeners(self._port):
            raise PortTaken(f"port {self._port} is taken by {ports.describe_holder(others)}: stop it")
        super().start()

    def stop(self) -> None:
        """Stop the process if it runs, and let its port go; blocks until it is gone."""
        super().stop()
        self._held.close()

    def port_state(self) -> CheckResult | None:
        """Return the state when another process listens on the port too, None when nobody does."""
        self._held.hold()
        who = ports.others(self._port, lambda: self.process.pid)
        return (State.DEGRADED, f"{who} answers on port {self._port} too: stop it") if who else None


def service(
    context: StackContext,
    name: str,
    module: tuple[str, ...],
    env: dict[str, str],
    probe: Callable[[], bool],
    depends_on: tuple[str, ...],
    metrics_port: int,
    check: Callable[[], CheckResult] | None = None,
) -> Component:
    """Return a component that keeps running; `probe` tells when it is ready, and is its health check by default."""
    log = context.log(name)
    runner = HeldService(module_command(context, name, module, env, (metrics_port,)), log, probe, metrics_port)
    answers = check or (lambda: answer_state(probe()))
    return Component(
        name,
        runner,
        depends_on,
        address=f"http://{LOOPBACK}:{metrics_port}/metrics",
        logs=(log,),
        check=lambda: runner.port_state() or answers(),
    )


def task(
    context: StackContext, name: str, module: tuple[str, ...], env: dict[str, str], depends_on: tuple[str, ...]
) -> Component:
    """Return a component that runs once at each start."""
    log = context.log(name)
    return Component(name, Task(module_command(context, name, module, env), log), depends_on, once=True, logs=(log,))


def module_command(
    context: StackContext, name: str, module: tuple[str, ...], env: dict[str, str], ports: tuple[int, ...] = ()
) -> Command:
    """Return the command that runs one of our modules with its settings, and with those of no other program.

    It listens on the given TCP ports.
    """
    shared = {"AUTH": context.settings.auth, f"LOG_LEVEL{FILE_SUFFIX}": str(context.state.log_level)}
    given = {
        **context.env,
        **context.settings.environment(),
        **{f"{PREFIX}{setting}": value for setting, value in (shared | env).items()},
    }
    # The file begins with its value, and would not be looked at beside it.
    given.pop(f"{PREFIX}LOG_LEVEL", None)
    own = settings_of(" ".join(module), given)
    sockets, temporary = context.own_folders(name)
    granted = privileges.of_service(own, (sockets, temporary), ports)
    home = {} if granted.account is None else {"HOME": str(temporary)}
    environment = {**inherited_env(), **home, **own, "TMPDIR": str(temporary)}
    return Command(
        name,
        [sys.executable, "-P", "-m", *module],
        environment,
        granted.account,
        granted.confinement,
        stop_seconds=STOP_SECONDS,
    )
