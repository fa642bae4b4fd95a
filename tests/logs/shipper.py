"""The shipper of logs: the real rsyslog with the configuration of deploy/logs/."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import debian
from waiting import await_true

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy/logs/rsyslog"
STOP_SECONDS = 20


class Shipper:
    """Ships the files of a folder to a store."""

    def __init__(self, logs: Path, state: Path, store: str, *, configuration: str = "local.conf", queue: int = 20_000):
        self._program = debian.program("rsyslog-elasticsearch", "usr/sbin/rsyslogd")
        self._configuration = configuration
        self.state = state
        state.mkdir(exist_ok=True)
        self._env = {
            "PATH": os.environ["PATH"],
            **self._program.env,
            "RSYSLOGD": self._program.path,
            "LOGS_FOLDER": str(logs),
            "LOGS_STATE": str(state),
            "LOGS_STORE": store,
            "LOGS_USER": "",
            "LOGS_CA": "",
            "LOGS_PROJECT": "ordermesh",
            "LOGS_QUEUE_LINES": str(queue),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.output = state.with_name(f"{state.name}.out")

    def command(self, *options: str) -> list[str]:
        """Return the command line."""
        modules = [] if not self._program.env else ["-M", f"{self._program.env['LD_LIBRARY_PATH']}/rsyslog"]
        pid_file = self.state.with_name(f"{self.state.name}.pid")
        return [str(CONFIGURATION / "ship"), self._configuration, *modules, "-i", str(pid_file), *options]

    def check(self) -> str:
        """Return what rsyslog says of the configuration. Raises CalledProcessError when it is wrong."""
        done = subprocess.run(self.command("-N", "1"), env=self._env, capture_output=True, text=True, check=True)
        return done.stderr

    def start(self) -> None:
        """Start it."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(self.command(), env=self._env, stdout=output, stderr=output)

    def kill(self) -> None:
        """Kill it if it runs: the only way in which it is stopped, see deploy/logs/rsyslog/store.conf."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def await_line(self, text: str) -> None:
        """Wait until it says something."""
        await_true(lambda: text in self.output.read_text(), lambda: self.output.read_text()[-2000:])
