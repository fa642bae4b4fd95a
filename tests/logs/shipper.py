"""The shipper of logs: the real rsyslog as `ordermesh up --logs` starts it, or as containers do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.observe.deployed import deployed
from stack.observe.logs.rsyslog import LOCAL, RSYSLOG, command_line, configuration, environment
from stack.observe.programs import Found

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 20


def rsyslog() -> Found:
    """Return rsyslog; without it a test fails in CI and is skipped elsewhere."""
    missing = RSYSLOG.fetch()
    found = RSYSLOG.find()
    if found is None:
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found


class Shipper:
    """Ships the files of a folder to a store, to which it shows the certificate of a folder, if one is given."""

    def __init__(
        self,
        logs: Path,
        state: Path,
        store: str,
        certificate: Path | None = None,
        *,
        name: str = LOCAL,
        queue: int = 20_000,
    ):
        self._found = rsyslog()
        self.state = state
        folder = state.with_name(f"{state.name}-configuration")
        for made in (state, folder):
            made.mkdir()
        if certificate is not None:
            shutil.copytree(certificate, folder, dirs_exist_ok=True)
        for file, text in configuration(name, certificate=certificate is not None).items():
            (folder / file).write_text(text)
        self._command = command_line(self._found, folder / name)
        settings = environment(self._found, logs, folder, state, store, queue)
        if certificate is None:
            # As in a container, whose script names the program and the file.
            self._command = [str(deployed("logs/rsyslog/ship")), name, *self._command[4:]]
            settings |= {"RSYSLOGD": str(self._found.path)}
        self._env = {**os.environ, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self.output = state.with_name(f"{state.name}.out")

    def check(self) -> str:
        """Return what rsyslog says of the configuration. Raises CalledProcessError when it is wrong."""
        done = subprocess.run([*self._command, "-N", "1"], env=self._env, capture_output=True, text=True, check=True)
        return done.stderr

    def start(self) -> None:
        """Start it."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(self._command, env=self._env, stdout=output, stderr=output)

    def kill(self) -> None:
        """Kill it if it runs: the only way in which it is stopped, see deploy/logs/rsyslog/store.conf."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
