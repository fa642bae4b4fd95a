"""The stack of one state folder: starts its components in order, keeps them running, stops them in reverse."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from runtime.audit.spool import Spool
from runtime.postgres.connections import connect
from stack.errors import ServerFailed
from stack.identity.expiry import KeyExpiry
from stack.identity.key_registry import KeyRegistry
from stack.identity.session_credentials import session_credentials
from stack.identity.sessions import COMMANDS_SOCKET, GATEWAY_SOCKET, Sessions, SessionServer
from stack.machine import ports
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.processes.proc import identify
from stack.processes.runners import READY_SECONDS, Runner, running_pid
from stack.processes.server_account import SERVICES, create_missing, own_account
from stack.servers.credentials import OWNERS, load_or_create
from stack.servers.kafka.brokers import require_broker_count
from stack.settings import StackSettings
from stack.supervision.component import Component
from stack.supervision.component_supervisor import ComponentSupervisor
from stack.supervision.components import components
from stack.supervision.front_proxy import held_front_ports, write_envoy_config
from stack.supervision.orphans import end_orphans
from stack.supervision.stack_context import StackContext, accounts, observed, ordermesh_env, traced
from stack.supervision.status import ComponentStatus, StackStatus, State, read_status
from stack.supervision.status_board import StateChange, StatusBoard

POLL_SECONDS = 0.05


class Stack:
    """The servers and services of one state folder."""

    def __init__(
        self,
        home: Path | None = None,
        settings: StackSettings | None = None,
        *,
        env: Mapping[str, str] | None = None,
        on_state_change: Callable[[StateChange], None] = lambda event: None,
    ) -> None:
        self.state = StateFolder(home or default_home())
        self.settings = settings or StackSettings.load()
        self._env = ordermesh_env() if env is None else dict(env)
        self._on_event = on_state_change
        self._held = contextlib.ExitStack()
        self._supervisors: list[ComponentSupervisor] = []
        self._board: StatusBoard | None = None

    @property
    def status(self) -> StackStatus:
        """The status of the running stack; raises ServerFailed before `up`."""
        if self._board is None:
            raise ServerFailed("the stack was not started")
        return self._board.status

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the stack by name; `observe` with `--observe` only."""
        certificate = self.context.front_certificate
        front = f"{certificate.host}:{self.settings.front_port}"
        observation = self.context.observation
        return {
            "rest": f"{certificate.scheme}://{front}",
            "grpc": front,
            "envoy_stats": f"http://{ports.LOOPBACK}:{self.settings.envoy_stats_port}",
            "kafka": self.settings.bootstrap,
            **({} if observation is None else {"observe": observation.address}),
        }

    def up(self, interrupted: threading.Event | None = None) -> None:
        """Start all components and block until they are ready, or `interrupted` is set.

        Raises StackError after stopping everything again: StateInUse, PortTaken, SettingInvalid, ServerFailed.
        """
        try:
            self._held.enter_context(self.state.locked())
            self._prepare()
            for supervisor in self._supervisors:
                supervisor.start()
            self._await_ready(interrupted or threading.Event())
            self._complete_audit_log()
        except ServerFailed:
            self.down()
            # When a port was taken after it was checked, report that as the cause.
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
            end_orphans(earlier)
        if not self.settings.external_kafka:
            require_broker_count(self.state.kafka, self.settings.kafka_brokers)
        create_missing(*accounts(self.settings))
        self._held.enter_context(ports.claimed(self.settings.local_ports()))
        run_dir, credentials = self.state.run_dir(), load_or_create(self.state.credentials)
        context = StackContext(
            self.settings,
            self.state,
            run_dir,
            credentials,
            self._env,
            self._held.enter_context(held_front_ports(self.settings)),
            self._held.enter_context(observed(self.settings, self.state, run_dir, credentials)),
        )
        self.context = traced(context)
        self.context.make_folders()
        write_envoy_config(self.context)
        found = components(self.context)
        self._board = StatusBoard(
            self._initial_status(found), self.state.status, LogFile(self.state.logs / "supervisor.log"), self._on_event
        )
        self._supervisors = [ComponentSupervisor(component, self._board, READY_SECONDS) for component in found]
        if self.settings.auth == "keys":
            expiry = KeyExpiry(KeyRegistry(self.state))
            expiry.start()
            self._held.callback(expiry.stop)
        (gateway,) = (one.runner for one in found if one.name == "gateway")
        self._serve_sessions(gateway)

    def _complete_audit_log(self) -> None:
        """Move the entries of commands that ran while no stack did. Later commands see the running stack."""
        with (
            contextlib.suppress(psycopg.Error),  # the next command or start moves them
            connect(self.context.dsn(OWNERS["orders"]), "ordermesh-audit", "transaction") as connection,
        ):
            Spool(self.state.audit_spool).move(connection)

    def _serve_sessions(self, gateway: Runner) -> None:
        """Make sessions of the dashboard, with authentication; they end with the stack."""
        credentials = session_credentials(self.settings.auth, self.state)
        if credentials is None:
            return
        account = own_account(SERVICES)
        owner = None if account is None else (account.uid, account.gid)
        commands, asked = self.context.run_dir / COMMANDS_SOCKET, self.context.run_dir / GATEWAY_SOCKET
        sessions = Sessions(credentials, on_begin=self._complete_audit_log)
        self._held.callback(SessionServer(sessions, commands, asked, owner, lambda: running_pid(gateway)).close)

    def _initial_status(self, found: list[Component]) -> StackStatus:
        own = identify(os.getpid())
        if own is None:
            raise ServerFailed("/proc does not show this process: is it mounted?")
        known = {
            one.name: ComponentStatus(
                address=one.address, log=str(one.logs[0].path) if one.logs else "", required=one.required
            )
            for one in found
        }
        return StackStatus(
            own,
            str(self.context.sockets),
            self.addresses,
            known,
            self.context.servers,
            self.settings.port_offset,
            self.settings.auth,
        )

    def _await_ready(self, interrupted: threading.Event) -> None:
        board = self._board
        if board is None:
            return
        while not interrupted.is_set():
            if board.wait(start_is_over, POLL_SECONDS):
                break
        failed = [one.detail for one in board.status.components.values() if one.state == State.FAILED]
        if failed:
            raise ServerFailed("\n".join(failed))

    def down(self) -> None:
        """Stop all components in reverse order; blocks until no process is left. Safe to call twice."""
        left = {supervisor.component.name: supervisor for supervisor in self._supervisors}
        with ThreadPoolExecutor(max(len(left), 1), thread_name_prefix="stopper") as pool:
            while left:
                needed = {name for supervisor in left.values() for name in supervisor.component.depends_on}
                free = [name for name in left if name not in needed]
                list(pool.map(lambda name: left[name].stop(), free))
                for name in free:
                    del left[name]
        self._supervisors = []
        if self._board is not None:
            self._board.close()
        self._held.close()


def start_is_over(status: StackStatus) -> bool:
    """Return whether a start is over: that of every component is, or a required one has failed."""
    found = status.components.values()
    return any(one.state == State.FAILED for one in found) or all(one.started for one in found)
