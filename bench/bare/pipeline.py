"""Runs the bare pipeline as a subject of measurements."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.bare.settings import Engine
from bench.subjects.pipeline import SQL as PROBES
from bench.subjects.pipeline import Probe, Subject
from bench.subjects.servers import Servers, free_port, plain_front, running_servers
from runtime.postgres.queries import Queries
from stack.processes.runners import READY_SECONDS
from stack.processes.waiting import wait_until

SQL = Queries("bench.bare", "bare.sql")
POLL_SECONDS = 0.05


@contextlib.contextmanager
def bare(engine: Engine = Engine.NATIVE, processes: int = 2, **levers: object) -> Iterator[Subject]:
    """Run the bare pipeline; `levers` are fields of BareSettings."""
    with running_servers() as servers:
        dsn = servers.database("bare", SQL.create_tables.encode())
        servers.topic("bare")
        env = {"BARE_DSN": dsn, **servers.kafka_env("BARE_"), "BARE_ENGINE": engine}
        env |= {f"BARE_{name.upper()}": str(value) for name, value in levers.items()}
        port = serve(servers, env, processes)
        servers.python("publisher", ["-m", "bench.bare.publisher"], env)
        servers.python("workers", ["-m", "bench.bare.worker"], env)
        with psycopg.connect(dsn, autocommit=True) as connection:
            settings = {"engine": str(engine), "orders_processes": processes, **levers}
            yield Subject(
                f"bare-{engine}",
                port,
                servers.roots,
                Probe(connection, PROBES.progress_stored),
                Probe(connection, PROBES.progress_counted),
                Probe(connection, PROBES.wal_bytes),
                settings,
            )


def serve(servers: Servers, env: dict[str, str], processes: int) -> int:
    """Start the serving processes with Envoy in front of them, and return its port."""
    module = "front" if env["BARE_ENGINE"] == Engine.FRONT else "service"
    sockets = [servers.context.run_dir / f"bare-{index}.sock" for index in range(processes)]
    for path in sockets:
        servers.python("orders", ["-m", f"bench.bare.{module}"], {**env, "BARE_LISTEN": f"unix:{path}"})
    await_sockets(sockets)
    port, admin = free_port(), servers.context.envoy_admin
    servers.envoy(plain_front(port, admin, sockets), admin)
    return port


def await_sockets(sockets: list[Path]) -> None:
    """Wait until every socket exists. Raises TimeoutError after READY_SECONDS."""
    for path in sockets:
        if not wait_until(path.exists, READY_SECONDS, POLL_SECONDS):
            raise TimeoutError(f"no process listens on {path}")
