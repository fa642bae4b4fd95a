"""Prometheus and Alertmanager: their configuration on one machine, their limits, and how they are started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENT, CLIENT_KEY, CLIENTS, SERVER, SERVER_KEY, SERVERS
from stack.observe.observation import PROMETHEUS, Observation
from stack.observe.programs import Found
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import privileges
from stack.processes.process import Command

INTERVAL = "5s"
RETENTION_TIME, RETENTION_SIZE, ALERTS_RETENTION = "7d", "512MB", "120h"
# The heap of Go grows to twice of what is in use; beyond this it is collected more often.
ENVIRONMENT = {"GOMEMLIMIT": "120MiB", "GOMAXPROCS": "2"}
AGENT_PASSWORD = "agent-password"  # noqa: S105  # the name of a file
Config = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What is scraped of one job: a loopback port, a path, and whether it asks for a certificate or for a login."""

    job: str
    port: int
    path: str = "/metrics"
    asks: Literal["nothing", "certificate", "login"] = "nothing"


def asked(folder: Path, asks: str = "certificate") -> Config:
    """Return how Prometheus asks a program that has a certificate, and asks for one or for a login."""
    if asks == "nothing":
        return {}
    login = {"username": PROMETHEUS, "password_file": str(folder / AGENT_PASSWORD)}
    return {
        **({"basic_auth": login} if asks == "login" else {}),
        "scheme": "https",
        "tls_config": {
            "ca_file": str(folder / SERVERS),
            "cert_file": str(folder / CLIENT),
            "key_file": str(folder / CLIENT_KEY),
            "server_name": LOOPBACK,
        },
    }


def prometheus_config(
    folder: Path, targets: Sequence[Target], rules: Sequence[Path], alertmanager: int | None
) -> Config:
    """Return the configuration of Prometheus, whose certificates are in the folder."""
    jobs: dict[str, Config] = {}
    for target in targets:
        job = {"job_name": target.job, "metrics_path": target.path, **asked(folder, target.asks)}
        addresses = jobs.setdefault(target.job, {**job, "static_configs": [{"targets": []}]})
        addresses["static_configs"][0]["targets"].append(f"{LOOPBACK}:{target.port}")
    alerted = [{"targets": [f"{LOOPBACK}:{alertmanager}"]}]
    manager = {"path_prefix": "/alertmanager", **asked(folder), "static_configs": alerted}
    return {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": [str(path) for path in rules],
        "alerting": {"alertmanagers": [manager] if alertmanager else []},
        "scrape_configs": list(jobs.values()),
    }


def server_certificate(folder: Path) -> Config:
    """Return the web configuration of a program of Prometheus: it answers certificates only."""
    return {
        "tls_server_config": {
            "cert_file": str(folder / SERVER),
            "key_file": str(folder / SERVER_KEY),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(folder / CLIENTS),
        }
    }


def prepare(observation: Observation, name: str, config: Config, extra: Mapping[str, str]) -> Path:
    """Write the files of a program of Prometheus, and return its folder; `extra` are further files by name."""
    folder = observation.folder(name)
    observation.certificates.let_answer(name, folder, observation.account)
    files = {"config.yml": yaml.safe_dump(config), "web.yml": yaml.safe_dump(server_certificate(folder)), **extra}
    for file, text in files.items():
        observation.write(folder / file, text)
    observation.subfolder(name, "data")
    return folder


def prometheus(
    observation: Observation, found: Found, targets: Sequence[Target], rules: Path, *, alerts: bool
) -> Command:
    """Write the configuration of Prometheus and return its command."""
    port, folder = observation.ports["prometheus"], observation.folder("prometheus")
    texts = {path.name: path.read_text() for path in sorted(rules.glob("*.yaml"))}
    alertmanager = observation.ports["alertmanager"] if alerts else None
    config = prometheus_config(folder, targets, [folder / name for name in texts], alertmanager)
    prepare(observation, "prometheus", config, texts)
    observation.certificates.let_ask("prometheus", folder, observation.account)
    observation.write(folder / AGENT_PASSWORD, observation.agent_password)
    options = {
        "config.file": folder / "config.yml",
        "web.config.file": folder / "web.yml",
        "web.listen-address": f"{LOOPBACK}:{port}",
        "web.external-url": f"{observation.address}/prometheus/",
        "web.route-prefix": "/prometheus/",
        # Of pages: none but its own.
        "web.cors.origin": observation.address.replace(".", r"\."),
        "web.max-connections": "64",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": RETENTION_TIME,
        "storage.tsdb.retention.size": RETENTION_SIZE,
        "query.timeout": "30s",
        "query.max-concurrency": "4",
        "query.max-samples": "5000000",
        "log.format": "json",
    }
    if found.share is not None:
        options["web.local-assets"] = found.share
    asks = [target.port for target in targets] + ([alertmanager] if alertmanager else [])
    return command(observation, "prometheus", found, options, asks)


def alertmanager(observation: Observation, found: Found, config: Path) -> Command:
    """Write the configuration of Alertmanager and return its command; it is no member of a cluster."""
    folder = prepare(observation, "alertmanager", yaml.safe_load(config.read_text()), {})
    options = {
        "config.file": folder / "config.yml",
        "web.config.file": folder / "web.yml",
        "web.listen-address": f"{LOOPBACK}:{observation.ports['alertmanager']}",
        "web.external-url": f"{observation.address}/alertmanager/",
        "web.route-prefix": "/alertmanager/",
        "storage.path": folder / "data",
        "data.retention": ALERTS_RETENTION,
        "cluster.listen-address": "",
        "log.format": "json",
    }
    return command(observation, "alertmanager", found, options, None)


def command(
    observation: Observation, name: str, found: Found, options: Mapping[str, object], asks: Sequence[int] | None
) -> Command:
    """Return the command of a program of Prometheus, confined to its files and ports; None lets it ask any port."""
    folder = observation.home / name
    needed = [found.path, *([found.share.parents[2]] if found.share else [])]
    allowed = Confinement(
        readable=confinement.paths(folder, *needed[1:]),
        executable=confinement.paths(found.path),
        writable=confinement.paths(folder / "data"),
        bind_ports=(observation.ports[name],),
        connect_ports=None if asks is None else confinement.unique(asks),
    )
    account = privileges(observation.account, allowed, needed).account
    argv = [str(found.path), *(f"--{option}={value}" for option, value in options.items())]
    # Debian's Alertmanager finds its templates there.
    return Command(name, argv, ENVIRONMENT, account, allowed, cwd=found.share or folder)
