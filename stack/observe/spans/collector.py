"""An OpenTelemetry collector of this machine, which takes spans for Zipkin in the place of our receiver."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENT, CLIENT_KEY, SERVERS
from stack.observe.deployed import deployed
from stack.observe.observation import Observation
from stack.observe.programs import on_path
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.logfile import LogFile
from stack.processes.privileges import privileges
from stack.processes.process import Command
from stack.processes.runners import Service
from stack.processes.server_account import Account

NAMES = ("otelcol-contrib", "otelcol")
# A person who tries something out wants to see each trace, and soon.
DEFAULTS = {"KEPT_PERCENT": "100", "DECISION_WAIT": "2s"}
SETTINGS = (*DEFAULTS, "SLOW_MS")
ENVIRONMENT = {"GOMEMLIMIT": "120MiB", "GOMAXPROCS": "2"}
OURS = "spans.yaml"
VALIDATE_SECONDS = 30.0
# The socket is for the group of its folder too, which is that of Envoy.
UMASK = 0o007


def collector() -> Path | None:
    """Return a collector on PATH that has the parts of deploy/collector/zipkin.yaml, None without one."""
    for found in filter(None, map(on_path, NAMES)):
        command = [str(found), "validate", *configurations(())]
        try:
            subprocess.run(command, capture_output=True, timeout=VALIDATE_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return found
    return None


def configurations(further: tuple[Path, ...]) -> Iterator[str]:
    """Yield the options of the configuration files."""
    shipped = (deployed(f"collector/{name}.yaml") for name in ("collector", "zipkin"))
    return (f"--config={path}" for path in (*shipped, *further))


def collector_command(
    observation: Observation, found: Path, name: str, socket: Path, account: Account | None
) -> Command:
    """Write the configuration of the collector and return its command; `account` is that of the socket's folder."""
    folder, port = observation.folder(name, account), observation.ports["zipkin"]
    observation.certificates.let_ask(name, folder, account)
    given = {setting: os.environ[setting] for setting in SETTINGS if setting in os.environ}
    environment = {
        **ENVIRONMENT,
        **DEFAULTS,
        **given,
        "OTLP_LISTEN": str(socket),
        "ZIPKIN_URL": f"https://{LOOPBACK}:{port}/api/v2/spans",
    }
    observation.write(folder / OURS, yaml.safe_dump(own_configuration(folder)), account)
    allowed = Confinement(
        readable=confinement.paths(folder, deployed("collector")),
        executable=confinement.paths(found),
        writable=confinement.paths(socket.parent),
        bind_ports=(),
        connect_ports=(port,),
    )
    granted = privileges(account, allowed, [found, deployed("collector")]).account
    argv = [str(found), *configurations((folder / OURS,))]
    return Command(name, argv, environment, granted, allowed, cwd=folder, umask=UMASK)


def own_configuration(folder: Path) -> dict[str, object]:
    """Return what differs here from the files that ship: a Unix socket, and certificates."""
    tls = {"ca_file": str(folder / SERVERS), "cert_file": str(folder / CLIENT), "key_file": str(folder / CLIENT_KEY)}
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"transport": "unix"}}}},
        "exporters": {"zipkin": {"tls": tls}},
    }


class Collector(Service):
    """Runs the collector, which leaves its socket behind when it is killed and then finds it in use."""

    def __init__(self, command: Command, log: LogFile, probe: Callable[[], bool], socket: Path) -> None:
        super().__init__(command, log, probe)
        self._socket = socket

    def start(self) -> None:
        """Start the process."""
        self._socket.unlink(missing_ok=True)
        super().start()
