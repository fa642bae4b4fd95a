"""Starts the peers as something to measure."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.bare.pipeline import await_sockets
from bench.peers import environment
from bench.peers.components import CONSUMER, FASTSTREAM, POLLER, QUEUE, Component
from bench.peers.programs.queries import QUERIES
from bench.subjects.pipeline import SQL, Probe, Subject
from bench.subjects.servers import READY_SECONDS, Servers, free_port, plain_front, running_servers
from stack.machine.http_probe import http_answers

TOPIC = "peer"
PROCESSES = 2
PROGRAMS = "bench.peers.programs"
POLL_SECONDS = 0.05
KNOWN_JOBS = 1000


def fastapi() -> AbstractContextManager[Subject]:
    """Run FastAPI, with the poller and the consumer behind it."""
    return uvicorn("fastapi", "rest_service", "asyncpg", POLLER, CONSUMER)


def fastapi_queue() -> AbstractContextManager[Subject]:
    """Run FastAPI, with a queue of procrastinate and a consumer of FastStream behind it."""
    return uvicorn("fastapi-queue", "queue_service", "psycopg", QUEUE, FASTSTREAM)


@contextlib.contextmanager
def uvicorn(name: str, service: str, driver: str, publisher: Component, worker: Component) -> Iterator[Subject]:
    """Run FastAPI with its own port before clients, without Envoy, which is to its advantage."""
    python = str(environment.python())
    with running_servers() as servers, pipeline(servers, python, publisher, worker) as (env, connection):
        port = free_port()
        words = ["-m", "uvicorn", f"{PROGRAMS}.{service}:app", "--port", str(port), "--workers", str(PROCESSES)]
        env |= {**publisher.env, "PEER_ALCHEMY_DSN": alchemy_dsn(env["PEER_DSN"], driver)}
        servers.python("orders", [*words, "--no-access-log", "--log-level", "warning"], env, python)
        await_http(port)
        yield subject(name, port, servers, connection, publisher, worker)


@contextlib.contextmanager
def grpcio() -> Iterator[Subject]:
    """Run plain grpcio behind the plain Envoy of the bare pipeline."""
    with running_servers() as servers, pipeline(servers, sys.executable, POLLER, CONSUMER) as (env, connection):
        sockets = [servers.context.socket(f"peer-{index}") for index in range(PROCESSES)]
        for path in sockets:
            servers.python("orders", ["-m", f"{PROGRAMS}.grpc_service"], {**env, "PEER_LISTEN": f"unix:{path}"})
        await_sockets(sockets)
        port, admin_port = free_port(), free_port()
        servers.envoy(plain_front(port, admin_port, sockets), admin_port)
        yield subject("grpcio-plain", port, servers, connection, POLLER, CONSUMER)


@contextlib.contextmanager
def pipeline(
    servers: Servers, python: str, publisher: Component, worker: Component
) -> Iterator[tuple[dict[str, str], psycopg.Connection[tuple[int]]]]:
    """Make database and topic, start what publishes and what counts; gives their environment and a connection."""
    env = prepared(servers, TOPIC, queue=publisher is QUEUE)
    for group, part in {"publisher": publisher, "workers": worker}.items():
        servers.python(group, ["-m", part.module], {**env, **part.env}, python)
    with psycopg.connect(env["PEER_DSN"], autocommit=True) as connection:
        yield env, connection


def prepared(servers: Servers, topic: str, *, queue: bool) -> dict[str, str]:
    """Make the database, with the tables of a queue or without, and a topic; returns where the parts find them."""
    statements = [QUERIES["create_tables"], *([environment.queue_schema()] if queue else [])]
    dsn = servers.database("peer", ";\n".join(statements).encode())
    servers.topic(topic)
    if queue:
        teach(dsn)
    return {"PEER_DSN": dsn, "PEER_KAFKA": servers.context.settings.bootstrap, "PEER_TOPIC": topic}


def teach(dsn: str) -> None:
    """Let the planner know a queue in use: until it does, procrastinate reads all that waits to fetch one job."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(QUERIES["fill_queue"], (KNOWN_JOBS,))
        connection.execute(QUERIES["empty_queue"])


def subject(
    name: str, port: int, servers: Servers, connection: psycopg.Connection[tuple[int]], *components: Component
) -> Subject:
    """Return a peer to measure."""
    settings = {"orders_processes": PROCESSES, **{one.name: dict(one.settings) for one in components}}
    stored, counted = Probe(connection, QUERIES["stored"]), Probe(connection, QUERIES["counted"])
    return Subject(name, port, servers.roots, stored, counted, Probe(connection, SQL.wal_bytes), settings)


def alchemy_dsn(dsn: str, driver: str) -> str:
    """Return a DSN as SQLAlchemy and a driver want it: over the Unix socket too."""
    parts = conninfo_to_dict(dsn)
    user, password = parts["user"], quote(str(parts["password"]), safe="")
    return f"postgresql+{driver}://{user}:{password}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def await_http(port: int) -> None:
    """Block until FastAPI answers; raise TimeoutError when it does not in time."""
    deadline = time.monotonic() + READY_SECONDS
    while not http_answers(port, "/openapi.json"):
        if time.monotonic() > deadline:
            raise TimeoutError("FastAPI does not answer")
        time.sleep(POLL_SECONDS)
