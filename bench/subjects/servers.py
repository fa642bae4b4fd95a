"""The servers of bare pipelines and peers, started as for the product: PostgreSQL, Kafka, Envoy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import yaml
from confluent_kafka.cimpl import NewTopic
from frontdoor import clusters
from frontdoor.config import Config
from frontdoor.filters import http_filters, rate_limits, transcoder
from frontdoor.listeners import MANAGER
from frontdoor.values import Address
from psycopg.conninfo import make_conninfo

from runtime.kafka import clients
from stack.machine.ports import LOOPBACK, allocate
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import running
from stack.servers.credentials import KAFKA_BROKER, load_or_create
from stack.servers.envoy import Envoy
from stack.settings import StackSettings
from stack.supervision.component import Component
from stack.supervision.components import servers
from stack.supervision.stack_context import StackContext

PARTITIONS = 12
IDLE_SECONDS = 3600.0
NO_LIMITS = ("max_connections", "max_pending_requests", "max_requests")
ROOT = Path(__file__).parents[2]


@dataclass
class Servers:
    """PostgreSQL and Kafka for one subject, and the processes that are started with them."""

    context: StackContext
    roots: dict[str, list[int]]
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def database(self, name: str, statement: bytes) -> str:
        """Create a database with tables and return its DSN."""
        with psycopg.connect(self.context.admin_dsn, autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        dsn = make_conninfo(self.context.admin_dsn, dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement)
        return dsn

    def topic(self, name: str) -> None:
        """Create a topic."""
        admin = clients.admin(self.context.kafka_settings(KAFKA_BROKER), "bench")
        admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)])[name].result()

    def kafka_env(self, prefix: str) -> dict[str, str]:
        """Return the variables with which a program connects to Kafka, where it may do everything."""
        env = self.context.kafka_env(KAFKA_BROKER)
        return {f"{prefix}{name}": value for name, value in env.items()}

    def python(self, group: str, arguments: Sequence[str], env: Mapping[str, str], python: str = sys.executable) -> int:
        """Start a Python process in a group and return its process id; it is stopped at the end."""
        command = Command(group, [python, *arguments], {**inherited_env(), "PYTHONPATH": str(ROOT), **env})
        process = Process(command, LogFile(self.context.state.logs / f"{group}.log"))
        process.start()
        self.held.callback(process.stop)
        pid = process.pid or 0
        self.roots.setdefault(group, []).append(pid)
        return pid

    def component(self, component: Component) -> None:
        """Start a component of the product and wait until it is ready."""
        runner = self.held.enter_context(running(component.runner))
        if runner.process is not None and not component.once:
            self.roots[component.name] = [runner.process.pid or 0]

    def envoy(self, config: Config, admin: Path) -> None:
        """Start an Envoy with a configuration that has its admin interface on a Unix socket."""
        path = self.context.state.home / f"{admin.stem}.yaml"
        path.write_text(yaml.safe_dump(config))
        log = LogFile(self.context.state.logs / f"{admin.stem}.log")
        envoy = self.held.enter_context(running(Envoy(path, admin, log)))
        self.roots["envoy"] = [envoy.pid or 0]


@contextlib.contextmanager
def running_servers(env: Mapping[str, str] | None = None, **settings: object) -> Iterator[Servers]:
    """Start PostgreSQL and Kafka with the settings of the product, except those given."""
    with contextlib.ExitStack() as held:
        state = StateFolder(held.enter_context(temporary_home()))
        held.enter_context(state.locked())
        chosen = StackSettings.with_free_ports(**settings)
        context = StackContext(chosen, state, state.run_dir(), load_or_create(state.credentials), env or {})
        context.make_folders()
        roots: dict[str, list[int]] = {}
        started = Servers(context, roots)
        held.enter_context(started.held)
        for component in servers(context):
            started.component(component)
        yield started


def plain_front(port: int, admin: Path, sockets: Sequence[Path]) -> Config:
    """Return the configuration of an Envoy with only a transcoder and a rate limit in front of gRPC sockets."""
    manager = {
        "@type": f"type.googleapis.com/{MANAGER}",
        "stat_prefix": "front",
        "codec_type": "AUTO",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "front",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "orders"}}],
                }
            ]
        },
        "http_filters": [
            rate_limits.rate_limit({rate_limits.NOBODY: 1_000_000}),
            {"name": http_filters.TRANSCODER, "typed_config": transcoder.configuration()},
            http_filters.router(),
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    orders = {
        "name": "orders",
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        # Above the calls in flight of any load, so that nothing is refused.
        "circuit_breakers": {"thresholds": [dict.fromkeys(NO_LIMITS, 1_000_000)]},
        "load_assignment": {
            "cluster_name": "orders",
            "endpoints": [{"lb_endpoints": [clusters.endpoint(Address(str(path))) for path in sockets]}],
        },
        "typed_extension_protocol_options": clusters.protocol_options(IDLE_SECONDS, http2_protocol_options={}),
    }
    listener = {
        "name": "front",
        "address": clusters.socket_address(Address(LOOPBACK, port)),
        "filter_chains": [chain],
    }
    return {
        "admin": {"address": clusters.socket_address(Address(str(admin)))},
        "static_resources": {"listeners": [listener], "clusters": [orders]},
    }


def free_port() -> int:
    """Return a port that is free now."""
    return allocate(1)[0]
