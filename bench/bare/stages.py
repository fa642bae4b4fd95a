"""The bare publisher and the bare worker as single stages, the references of those stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import psycopg

from bench.loads import bodies
from bench.measure.stages import Stage, followed
from bench.subjects.pipeline import SQL as PROBES
from bench.subjects.pipeline import Probe
from bench.subjects.servers import running_servers
from orders.domain.ids import uuid7
from runtime.postgres.queries import Queries

SQL = Queries("bench.bare", "bare.sql")


def bare_stages(events: int) -> Iterator[Stage]:
    """Yield the bare publisher draining a full outbox, then the bare worker counting the published events."""
    with running_servers() as servers:
        dsn = servers.database("bare", SQL.create_tables.encode())
        servers.topic("bare")
        env = {"BARE_DSN": dsn, **servers.kafka_env("BARE_")}
        with psycopg.connect(dsn, autocommit=True) as connection:
            fill(connection, events)
            servers.python("publisher", ["-m", "bench.bare.publisher"], env)
            sent = Probe(connection, SQL.count_sent)
            settings = {"batch_events": 1000}
            yield followed(servers.roots, sent, events, "bare publisher", settings, beside="publisher")
            servers.python("workers", ["-m", "bench.bare.worker"], env)
            counted = Probe(connection, PROBES.progress_counted)
            yield followed(servers.roots, counted, events, "bare worker", {"workers": 1}, beside="worker")


def fill(connection: psycopg.Connection[tuple[int]], events: int) -> None:
    """Insert a number of events into the outbox."""
    payload, now_us = bodies.order().SerializeToString().hex(), time.time_ns() // 1000
    rows = (f"{uuid7(now_us + n)}\t\\\\x{payload}\n" for n in range(events))
    with connection.cursor() as cursor, cursor.copy(SQL.copy_outbox) as copy:
        while chunk := "".join(islice(rows, 1000)):
            copy.write(chunk)
    connection.execute(PROBES.checkpoint)
