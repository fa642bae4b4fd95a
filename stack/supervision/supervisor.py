"""Runs the whole stack of one state folder: starts it in order, keeps it running, stops it in reverse."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack.errors import ServerFailed
from stack.machine import ports
from stack.machine.paths import PRIVATE, StateFolder, default_home
from stack.processes.logfile import LogFile
from stack.processes.proc import identify
from stack.servers.brokers import require_number
from stack.servers.credentials import load_or_create
from stack.settings import StackSettings
from stack.supervision.board import Board, Event
from stack.supervision.component_supervisor import Keeper
from stack.supervision.components import Component, components, write_envoy_config
from stack.supervision.site import Site, given_env
from stack.supervision.status import WELL, ComponentStatus, StackStatus, State, end_recorded, read_status

READY_SECONDS = 60.0
POLL_SECONDS = 0.05


class Stack:
    """Holds the servers and services of one state folder."""

    def __init__(
        self,
        home: Path | None = None,
        settings: StackSettings | None = None,
        *,
        env: Mapping[str, str] | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.state = StateFolder(home or default_home())
        self.settings = settings or StackSettings.load()
        self._env = given_env() if env is None else dict(env)
        self._on_event = on_event
        self._held = contextlib.ExitStack()
        self._keepers: list[Keeper] = []
        self._board: Board | None = None

    @property
    def status(self) -> StackStatus:
        """The status of the running stack; raises ServerFailed before `up`."""
        if self._board is None:
            raise ServerFailed("the stack was not started")
        return self._board.status

    @property
    def addresses(self) -> dict[str, str]:
        """Where people and programs reach the stack."""
        front = f"{ports.LOOPBACK}:{self.settings.front_port}"
        return {
            "rest": f"http://{front}",
            "grpc": front,
            "envoy_admin": f"http://{ports.LOOPBACK}:{self.settings.envoy_admin_port}",
            "envoy_stats": f"http://{ports.LOOPBACK}:{self.settings.envoy_stats_port}",
            "kafka": self.settings.bootstrap,
        }

    def up(self, interrupted: threading.Event | None = None) -> None:
        """Start everything and block until all is ready, or `interrupted` is set.

        Raises StackError with everything stopped again: StateInUse, PortTaken, SettingInvalid, ServerFailed.
        """
        try:
            self._held.enter_context(self.state.locked())
            self._prepare()
            for keeper in self._keepers:
                keeper.start()
            self._await_ready(interrupted or threading.Event())
        except ServerFailed:
            self.down()
            # A server could not listen, since somebody took its port after our look: that is what is wrong.
            ports.require_free(self.settings.local_ports())
            raise
        except OSError as error:
            self.down()
            raise ServerFailed(f"the stack cannot be started: {error}") from error
        except BaseException:
            self.down()
            raise

    def _prepare(self) -> None:
        earlier = read_status(self.state.status)
        if earlier is not None:
            end_recorded(earlier)
        if not self.settings.external_kafka:
            require_number(self.state.kafka, self.settings.kafka_brokers)
        self._held.enter_context(ports.claimed(self.settings.local_ports()))
        self.site = Site(
            self.settings, self.state, self.state.run_dir(), load_or_create(self.state.credentials), self._env
        )
        make_empty(self.site.temporary)
        write_envoy_config(self.site)
        plan = components(self.site)
        self._board = Board(
            self._first_status(plan), self.state.status, LogFile(self.state.logs / "supervisor.log"), self._on_event
        )
        self._keepers = [Keeper(component, self._board, READY_SECONDS) for component in plan]

    def _first_status(self, plan: list[Component]) -> StackStatus:
        own = identify(os.getpid())
        if own is None:
            raise ServerFailed("/proc does not show this process: is it mounted?")
        known = {
            part.name: ComponentStatus(address=part.address, log=str(part.logs[0].path) if part.logs else "")
            for part in plan
        }
        return StackStatus(
            own, str(self.site.run_dir), self.addresses, known, self.site.servers, self.settings.port_offset
        )

    def _await_ready(self, interrupted: threading.Event) -> None:
        board = self._board
        if board is None:
            return
        while not interrupted.is_set():
            if board.wait(lambda status: settled(status), POLL_SECONDS):
                break
        failed = [one.detail for one in board.status.components.values() if one.state == State.FAILED]
        if failed:
            raise ServerFailed("\n".join(failed))

    def down(self) -> None:
        """Stop everything in reverse order; blocks until no process is left. Safe to call twice."""
        left = {keeper.component.name: keeper for keeper in self._keepers}
        with ThreadPoolExecutor(max(len(left), 1), thread_name_prefix="stopper") as pool:
            while left:
                needed = {name for keeper in left.values() for name in keeper.component.needs}
                free = [name for name in left if name not in needed]
                list(pool.map(lambda name: left[name].stop(), free))
                for name in free:
                    del left[name]
        self._keepers = []
        if self._board is not None:
            self._board.close()
        self._held.close()


def make_empty(folder: Path) -> None:
    """Make a private folder, without what a killed stack left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=PRIVATE)


def settled(status: StackStatus) -> bool:
    """Say whether a start is over: everything is ready or done, or something failed."""
    states = [one.state for one in status.components.values()]
    return State.FAILED in states or all(state in WELL for state in states)
