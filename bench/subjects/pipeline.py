"""A pipeline to measure: its port, its processes by group, and the numbers of stored and counted orders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from bench.loads.bodies import CUSTOMER
from bench.loads.closed_model import Load
from bench.subjects.accounting import Roots
from runtime.identity.client_credential import AUTHORIZATION, bearer
from runtime.postgres.queries import Queries
from stack.identity.key_registry import KeyRegistry
from stack.processes.waiting import wait_until
from stack.running_stack import RunningStack, running_stack

SQL = Queries("bench.subjects", "subjects.sql")
POLL_SECONDS = 0.02
DRAIN_SECONDS = 120.0
GROUPS = {
    "orders": "orders",
    "envoy": "envoy",
    "postgres": "postgres",
    "publisher": "publisher",
    "kafka": "kafka",
    "workers": "processor",
    "gateway": "gateway",
    "analytics": "analytics",
}


class NotDrained(Exception):
    """Not all orders were counted in time; the message has the numbers."""


@dataclass(frozen=True)
class Probe:
    """A number from a database query."""

    connection: psycopg.Connection[Any]
    query: LiteralString

    def __call__(self) -> int:
        """Return the number."""
        row = self.connection.execute(self.query).fetchone()
        return int(row[0]) if row else 0


@dataclass(frozen=True)
class Subject:
    """A pipeline to measure."""

    name: str
    port: int
    roots: Roots
    stored: Probe
    counted: Probe
    wal_bytes: Probe
    settings: Mapping[str, object] = field(default_factory=dict)
    # Keys or tokens, None without authentication: an operator's, and that of the customer of the closed model's orders.
    credential: str | None = None
    customer_credential: str | None = None
    tls: bool = False

    def accepted(self, load: Load) -> Load:
        """Return a load as the front proxy wants it: over TLS, and with a credential."""
        headers = load.headers
        if self.customer_credential is not None:
            headers = (*headers, f"{AUTHORIZATION}: {bearer(self.customer_credential)}")
        return replace(load, headers=headers, tls=self.tls)

    def drain(self, orders: int) -> None:
        """Wait until this many orders are counted. Raises NotDrained after DRAIN_SECONDS."""
        if not wait_until(lambda: self.counted() >= orders, DRAIN_SECONDS, POLL_SECONDS):
            raise NotDrained(f"{self.name}: {self.counted()} of {orders} orders counted after {DRAIN_SECONDS:g} s")


@contextlib.contextmanager
def product(name: str = "product", *, env: Mapping[str, str] | None = None, **settings: object) -> Iterator[Subject]:
    """Run the whole platform with default settings, except those given."""
    with (
        running_stack(None, env=env, on_state_change=lambda _: None, **settings) as running,
        probes(running) as subject_of,
    ):
        yield subject_of(name, running.context.settings.front_port)


@contextlib.contextmanager
def probes(running: RunningStack) -> Iterator[ProductProbes]:
    """Connect to the databases of a running platform."""
    with (
        connected(running.context.admin_dsn, "orders") as orders,
        connected(running.context.admin_dsn, "analytics") as counts,
    ):
        yield ProductProbes(running, orders, counts)


@dataclass(frozen=True)
class ProductProbes:
    """Creates subjects of a running platform, which may have several front proxies."""

    running: RunningStack
    orders: psycopg.Connection[Any]
    analytics: psycopg.Connection[Any]

    def __call__(self, name: str, port: int, envoy_pid: int | None = None) -> Subject:
        """Return the platform behind a port, which may be that of another Envoy."""
        pids = {group: [self.running.pid(component)] for group, component in GROUPS.items()}
        if envoy_pid is not None:
            pids["envoy"] = [envoy_pid]
        return Subject(
            name,
            port,
            pids,
            Probe(self.orders, SQL.product_stored),
            Probe(self.analytics, SQL.product_counted),
            Probe(self.orders, SQL.wal_bytes),
            {
                "orders_processes": self.running.context.settings.orders_processes,
                "processor_workers": self.running.context.settings.processor_workers,
                "orders_lane": self.running.context.settings.orders_lane,
            },
            self.running.credential,
            customer_credential(self.running),
            self.running.context.settings.tls_on,
        )


def customer_credential(running: RunningStack) -> str | None:
    """Return a new key of the customer of the closed model's orders, None where keys are not in use."""
    if running.context.settings.auth != "keys":
        return None
    return KeyRegistry(running.stack.state).create("customer", CUSTOMER, "bench")


@contextlib.contextmanager
def connected(admin_dsn: str, database: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect to a database as superuser."""
    with psycopg.connect(make_conninfo(admin_dsn, dbname=database), autocommit=True) as connection:
        yield connection
