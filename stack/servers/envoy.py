"""An Envoy process, started with a validated configuration file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from frontdoor import check
from frontdoor.values import EnvoyConfigError

from stack.errors import SettingInvalid
from stack.machine.http_probe import http_answers
from stack.processes.logfile import LogFile
from stack.processes.privileges import OURS, Privileges
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import Server, await_ready

FLUSH_INTERVAL_MS = 200


def validate(config: Path) -> None:
    """Validate a configuration file with Envoy. Raises SettingInvalid with Envoy's reason."""
    try:
        check.validate(config.read_text())
    except (EnvoyConfigError, OSError) as error:
        # The protobuf library varies the spaces of its messages on purpose.
        reason = " ".join(str(error).split())
        raise SettingInvalid(f"Envoy rejects {config}: {reason}") from error


class Envoy(Server):
    """Runs Envoy with a configuration file that puts its admin interface on the Unix socket `admin`."""

    def __init__(
        self,
        config: Path,
        admin: Path,
        log: LogFile,
        serves: Callable[[], bool] = lambda: True,
        granted: Privileges = OURS,
    ) -> None:
        self._granted = granted
        self.config = config
        self.admin = admin
        self.log = log
        self._serves = serves

    def start(self) -> None:
        """Validate the configuration and start Envoy. Raises SettingInvalid or ServerFailed."""
        validate(self.config)
        self._process = Process(self.command(), self.log)
        self._process.start()

    def command(self) -> Command:
        """Return the command that runs Envoy; hot restart, which shares memory with other processes, is off."""
        options = {
            "-c": str(self.config),
            "--concurrency": "1",
            "--file-flush-interval-msec": str(FLUSH_INTERVAL_MS),
            "-l": "warning",
            # Else it warns of every API key: docs/decisions/0024-authentication.md.
            "--component-log-level": "misc:error",
        }
        arguments = [word for pair in options.items() for word in pair]
        return Command(
            "Envoy",
            [str(check.envoy_binary()), *arguments, "--disable-hot-restart"],
            # The times of its log lines are local.
            inherited_env() | {"TZ": "UTC"},
            self._granted.account,
            self._granted.confinement,
            stop_seconds=5.0,
        )

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until Envoy and the services behind it are ready. Raises ServerFailed."""
        await_ready(self._process, lambda: http_answers(self.admin, "/ready") and self._serves(), timeout_seconds)
