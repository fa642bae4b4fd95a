"""The exporters of Prometheus for this machine and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import yaml

from stack.machine.ports import LOOPBACK
from stack.observe.observation import Observation
from stack.observe.programs import POSTGRES_EXPORTER, Found
from stack.observe.prometheus import server_certificate
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import privileges
from stack.processes.process import Command

# The others show what is no concern of the platform, or need more than this account may read.
COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "vmstat")
# Of version 0.11, which asks for columns that PostgreSQL 17 moved: an error in two logs at each scrape.
OF_DEBIAN = ["--no-collector.bgwriter"]
READ_OF_THE_MACHINE = ("/proc", "/sys")
ENVIRONMENT = {"GOMEMLIMIT": "32MiB", "GOMAXPROCS": "1"}


def node_exporter(observation: Observation, found: Found) -> Command:
    """Return the command of the exporter of the machine's figures."""
    flags = ["--collector.disable-defaults", *(f"--collector.{name}" for name in COLLECTORS)]
    return exporter(observation, "node-exporter", found, flags, READ_OF_THE_MACHINE, {})


def postgres_exporter(observation: Observation, found: Found, gid: int | None, dsn: str) -> Command:
    """Return the command of the exporter of PostgreSQL's figures; `gid` is the group that may use the socket."""
    flags = OF_DEBIAN if found.path.name == POSTGRES_EXPORTER.package else []
    command = exporter(observation, "postgres-exporter", found, flags, (), {"DATA_SOURCE_NAME": dsn})
    if command.account is None or gid is None:
        return command
    return replace(command, account=replace(command.account, gid=gid))


def exporter(
    observation: Observation,
    name: str,
    found: Found,
    flags: list[str],
    readable: tuple[str, ...],
    environment: Mapping[str, str],
) -> Command:
    """Write the certificate of an exporter and return its command."""
    folder = observation.folder(name)
    observation.certificates.let_answer(name, folder, observation.account)
    observation.write(folder / "web.yml", yaml.safe_dump(server_certificate(folder)))
    port = observation.ports[name]
    allowed = Confinement(
        readable=(*confinement.paths(folder), *readable),
        executable=confinement.paths(found.path),
        bind_ports=(port,),
        connect_ports=(),
    )
    account = privileges(observation.account, allowed, [found.path]).account
    options = [
        f"--web.config.file={folder / 'web.yml'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.format=json",
    ]
    return Command(
        name, [str(found.path), *options, *flags], {**ENVIRONMENT, **environment}, account, allowed, cwd=folder
    )
