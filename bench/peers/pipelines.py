"""Starts the peers as something to measure."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.bare.pipeline import await_sockets
from bench.peers import environment
from bench.peers.queries import QUERIES
from bench.servers import READY_SECONDS, Servers, free_port, plain_front, running_servers
from bench.subjects import SQL, Probe, Subject
from stack.probe import http_answers

TOPIC = "peer"
PROCESSES = 2
POLL_SECONDS = 0.05
RELAY = {"publisher": "bench.peers.poller", "workers": "bench.peers.consumer"}


@contextlib.contextmanager
def fastapi() -> Iterator[Subject]:
    """Run FastAPI with its own port before clients, without Envoy, which is to its advantage."""
    python = str(environment.python())
    with running_servers() as servers, pipeline(servers, python) as (env, connection):
        port = free_port()
        words = ["-m", "uvicorn", "bench.peers.rest_service:app", "--port", str(port), "--workers", str(PROCESSES)]
        alchemy = {"PEER_ALCHEMY_DSN": alchemy_dsn(env["PEER_DSN"])}
        servers.python("orders", [*words, "--no-access-log", "--log-level", "warning"], {**env, **alchemy}, python)
        await_http(port)
        yield subject("fastapi", port, servers, connection)


@contextlib.contextmanager
def grpcio() -> Iterator[Subject]:
    """Run plain grpcio behind the plain Envoy of the bare pipeline."""
    with running_servers() as servers, pipeline(servers, None) as (env, connection):
        sockets = [servers.site.socket(f"peer-{index}") for index in range(PROCESSES)]
        for path in sockets:
            servers.python("orders", ["-m", "bench.peers.grpc_service"], {**env, "PEER_LISTEN": f"unix:{path}"})
        await_sockets(sockets)
        port, admin_port = free_port(), free_port()
        servers.envoy(plain_front(port, admin_port, sockets), admin_port)
        yield subject("grpcio-plain", port, servers, connection)


@contextlib.contextmanager
def pipeline(servers: Servers, python: str | None) -> Iterator[tuple[dict[str, str], psycopg.Connection[tuple[int]]]]:
    """Make database and topic, start poller and consumer; gives their environment and a connection."""
    dsn = servers.database("peer", QUERIES["create_tables"].encode())
    servers.topic(TOPIC)
    env = {"PEER_DSN": dsn, "PEER_KAFKA": servers.site.settings.bootstrap, "PEER_TOPIC": TOPIC}
    for group, module in RELAY.items():
        servers.python(group, ["-m", module], env, *([python] if python else []))
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield env, connection


def subject(name: str, port: int, servers: Servers, connection: psycopg.Connection[tuple[int]]) -> Subject:
    """Return a peer to measure."""
    stored, counted = Probe(connection, QUERIES["stored"]), Probe(connection, QUERIES["counted"])
    return Subject(
        name, port, servers.roots, stored, counted, Probe(connection, SQL.wal_bytes), {"orders_processes": PROCESSES}
    )


def alchemy_dsn(dsn: str) -> str:
    """Return a DSN as SQLAlchemy and asyncpg want it: over the Unix socket too."""
    parts = conninfo_to_dict(dsn)
    user, password = parts["user"], quote(str(parts["password"]), safe="")
    return f"postgresql+asyncpg://{user}:{password}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def await_http(port: int) -> None:
    """Block until FastAPI answers; raise TimeoutError when it does not in time."""
    deadline = time.monotonic() + READY_SECONDS
    while not http_answers(port, "/openapi.json"):
        if time.monotonic() > deadline:
            raise TimeoutError("FastAPI does not answer")
        time.sleep(POLL_SECONDS)
