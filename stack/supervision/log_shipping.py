"""The component that sends the lines of all programs to OpenSearch."""

from __future__ import annotations

from collections.abc import Iterator

from stack.observe.client_tls import client_context
from stack.observe.logs import opensearch
from stack.observe.logs.rsyslog import NAME, REFUSED, RSYSLOG, refused_lines, rsyslog_command
from stack.observe.logs.store import Store
from stack.observe.observation import Observation
from stack.processes.logfile import LogFile
from stack.processes.process import Command
from stack.processes.runners import Service
from stack.supervision.component import Component
from stack.supervision.health_checks import CheckResult
from stack.supervision.stack_context import StackContext
from stack.supervision.status import State


class LogShipper(Service):
    """rsyslog, which starts once the store has its templates: an index that was made before them stays as it is."""

    def __init__(self, command: Command, log: LogFile, store: Store) -> None:
        # Lines wait in their files for one that is not ready.
        super().__init__(command, log, lambda: True)
        self._store = store

    def start(self) -> None:
        """Prepare the store and start the process. Raises ServerFailed, or OSError without an answer of the store."""
        self._store.prepare()
        super().start()


def shipping(context: StackContext, observation: Observation) -> Iterator[Component]:
    """Yield the component, unless rsyslog cannot be had."""
    found = RSYSLOG.find()
    if found is None:
        return
    store = Store(observation.ports[opensearch.NAME], client_context(observation.home / "stack"))
    log = context.log(NAME)

    def refused() -> CheckResult:
        lines = refused_lines(observation)
        return State.READY, f"OpenSearch refused {lines:,} lines: see {REFUSED}" if lines else ""

    runner = LogShipper(rsyslog_command(observation, found, context.state.logs), log, store)
    yield Component(NAME, runner, (opensearch.NAME,), required=False, logs=(log,), check=refused)
