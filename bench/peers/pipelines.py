"""Runs the peers as subjects of measurements."""

from __future__ import annotations

import contextlib
import sys
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
from bench.subjects.servers import Servers, free_port, plain_front, running_servers
from stack.machine.http_probe import http_answers
from stack.processes.runners import READY_SECONDS
from stack.processes.waiting import wait_until

TOPIC = "peer"
PROCESSES = 2
PROGRAMS = "bench.peers.programs"
POLL_SECONDS = 0.05
KNOWN_JOBS = 1000


def fastapi() -> AbstractContextManager[Subject]:
    """Run FastAPI with the poller and the consumer."""
    return uvicorn("fastapi", "rest_service", "asyncpg", POLLER, CONSUMER)


def fastapi_queue() -> AbstractContextManager[Subject]:
    """Run FastAPI with a queue of procrastinate and a consumer of FastStream."""
    return uvicorn("fastapi-queue", "queue_service", "psycopg", QUEUE, FASTSTREAM)


@contextlib.contextmanager
def uvicorn(name: str, service: str, driver: str, publisher: Component, worker: Component) -> Iterator[Subject]:
    """Run FastAPI without Envoy in front of it, which is to its advantage."""
    python = str(environment.python())
    with running_servers() as servers, pipeline(servers, python, publisher, worker) as (env, connection):
        port = free_port()
        arguments = ["-m", "uvicorn", f"{PROGRAMS}.{service}:app", "--port", str(port), "--workers", str(PROCESSES)]
        env |= {**publisher.env, "PEER_ALCHEMY_DSN": alchemy_dsn(env["PEER_DSN"], driver)}
        servers.python("orders", [*arguments, "--no-access-log", "--log-level", "warning"], env, python)
        await_http(port)
        yield subject(name, port, servers, connection, publisher, worker)


@contextlib.contextmanager
def grpcio() -> Iterator[Subject]:
    """Run plain grpcio behind the Envoy of the bare pipeline."""
    with running_servers() as servers, pipeline(servers, sys.executable, POLLER, CONSUMER) as (env, connection):
        sockets = [servers.context.run_dir / f"peer-{index}.sock" for index in range(PROCESSES)]
        for path in sockets:
            servers.python("orders", ["-m", f"{PROGRAMS}.grpc_service"], {**env, "PEER_LISTEN": f"unix:{path}"})
        await_sockets(sockets)
        port, admin = free_port(), servers.context.envoy_admin
        servers.envoy(plain_front(port, admin, sockets), admin)
        yield subject("grpcio-plain", port, servers, connection, POLLER, CONSUMER)


@contextlib.contextmanager
def pipeline(
    servers: Servers, python: str, publisher: Component, worker: Component
) -> Iterator[tuple[dict[str, str], psycopg.Connection[tuple[int]]]]:
    """Create database and topic, start publisher and worker; yield their environment and a connection."""
    env = prepared(servers, TOPIC, queue=publisher is QUEUE)
    for group, component in {"publisher": publisher, "workers": worker}.items():
        servers.python(group, ["-m", component.module], {**env, **component.env}, python)
    with psycopg.connect(env["PEER_DSN"], autocommit=True) as connection:
        yield env, connection


def prepared(servers: Servers, topic: str, *, queue: bool) -> dict[str, str]:
    """Create the database, with or without the tables of a queue, and a topic; return the environment for both."""
    statements = [QUERIES["create_tables"], *([environment.queue_schema()] if queue else [])]
    dsn = servers.database("peer", ";\n".join(statements).encode())
    servers.topic(topic)
    if queue:
        set_statistics(dsn)
    return {"PEER_DSN": dsn, **servers.kafka_env("PEER_"), "PEER_TOPIC": topic}


def set_statistics(dsn: str) -> None:
    """Create planner statistics of a queue in use: without them procrastinate reads all jobs to fetch one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(QUERIES["fill_queue"], (KNOWN_JOBS,))
        connection.execute(QUERIES["empty_queue"])


def subject(
    name: str, port: int, servers: Servers, connection: psycopg.Connection[tuple[int]], *components: Component
) -> Subject:
    """Return a peer as a subject."""
    settings = {"orders_processes": PROCESSES, **{one.name: dict(one.settings) for one in components}}
    stored, counted = Probe(connection, QUERIES["stored"]), Probe(connection, QUERIES["counted"])
    return Subject(name, port, servers.roots, stored, counted, Probe(connection, SQL.wal_bytes), settings)


def alchemy_dsn(dsn: str, driver: str) -> str:
    """Return a DSN for SQLAlchemy and a driver, over the same Unix socket."""
    parts = conninfo_to_dict(dsn)
    user, password = parts["user"], quote(str(parts["password"]), safe="")
    return f"postgresql+{driver}://{user}:{password}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def await_http(port: int) -> None:
    """Wait until FastAPI responds. Raises TimeoutError after READY_SECONDS."""
    if not wait_until(lambda: http_answers(port, "/openapi.json"), READY_SECONDS, POLL_SECONDS):
        raise TimeoutError("FastAPI does not respond")
