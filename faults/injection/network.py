"""Proxies between each pair of a platform's parts, with what can be done to a connection."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from psycopg.conninfo import make_conninfo

from faults.injection import broker_listeners
from faults.injection.launches import Launches
from faults.injection.postgres_proxy import PostgresProxy
from faults.injection.tcp_proxy import TO_CLIENT, TO_SERVER, TcpProxy
from runtime.batched import batched
from runtime.kafka import access
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import DATABASE_OF, load_or_create

CLIENTS_OF_POSTGRES = {
    "orders": ("ORDERS_DSN", "orders_app"),
    "publisher": ("ORDERS_DSN", "orders_publisher"),
    "processor": ("ANALYTICS_DSN", "analytics_worker"),
    "analytics": ("ANALYTICS_DSN", "analytics_reader"),
}
CLIENTS_OF_KAFKA = {"publisher": access.PUBLISHER, "processor": access.PROCESSOR, "gateway": access.GATEWAY}
LATENCY_SECONDS = 0.2
SLOW_BYTES_PER_SECOND = 10_000


class Network:
    """Proxies in front of PostgreSQL and Kafka for each service, and in front of Envoy for the clients."""

    def __init__(self, home: Path, settings: Mapping[str, int], brokers: int) -> None:
        self._credentials = load_or_create(StateFolder(home).credentials)
        self._held = contextlib.ExitStack()
        self.front = self._held.enter_context(TcpProxy((LOOPBACK, settings["front_port"])))
        postgres = (LOOPBACK, settings["postgres_port"])
        self.postgres = {name: self._held.enter_context(PostgresProxy(postgres)) for name in CLIENTS_OF_POSTGRES}
        self._brokers = brokers
        free = ports.allocate(len(CLIENTS_OF_KAFKA) * brokers)
        # The ports of a service's listeners at the brokers, and one proxy in front of all of them.
        self._inner = dict(zip(CLIENTS_OF_KAFKA, batched(free, brokers), strict=True))
        self.kafka = {
            name: self._held.enter_context(TcpProxy(*((LOOPBACK, port) for port in inner)))
            for name, inner in self._inner.items()
        }

    def close(self) -> None:
        """End all proxies."""
        self._held.close()

    def pairs(self) -> dict[str, TcpProxy]:
        """Return the proxies by the pair that they stand between."""
        return {
            "clients-envoy": self.front,
            **{f"{name}-postgres": proxy for name, proxy in self.postgres.items()},
            **{f"{name}-kafka": proxy for name, proxy in self.kafka.items()},
        }

    def route(self, launches: Launches) -> None:
        """Have the services started so that they go through the proxies."""
        for name, (setting, role) in CLIENTS_OF_POSTGRES.items():
            dsn = make_conninfo(
                host=LOOPBACK,
                port=self.postgres[name].port,
                user=role,
                password=self._credentials.password(role),
                dbname=DATABASE_OF[role],
            )
            launches.add_variables(name, {f"ORDERMESH_{setting}": dsn, **self._kafka_variables(name)})
        launches.add_variables("gateway", self._kafka_variables("gateway"))
        launches.before_brokers = broker_listeners.prefix(
            [
                {name: (inner[broker], self.kafka[name].ports[broker]) for name, inner in self._inner.items()}
                for broker in range(self._brokers)
            ]
        )

    def _kafka_variables(self, name: str) -> dict[str, str]:
        return {"ORDERMESH_KAFKA_BOOTSTRAP": self.kafka[name].address} if name in self.kafka else {}


@contextlib.contextmanager
def latency(proxy: TcpProxy) -> Iterator[None]:
    """Delay everything by 200 ms in each direction."""
    proxy.delay_seconds = LATENCY_SECONDS
    try:
        yield
    finally:
        proxy.delay_seconds = 0.0


@contextlib.contextmanager
def resets(proxy: TcpProxy) -> Iterator[None]:
    """Reset what is open, again and again, for as long as the block lasts, and refuse new connections meanwhile."""
    proxy.cut()
    proxy.refuse()
    try:
        yield
    finally:
        proxy.listen()
        proxy.cut()


@contextlib.contextmanager
def half_open(proxy: TcpProxy) -> Iterator[None]:
    """Pass nothing in either direction; what was open then is gone without a word."""
    proxy.hold()
    try:
        yield
    finally:
        proxy.cut()
        proxy.release()


@contextlib.contextmanager
def slow(proxy: TcpProxy) -> Iterator[None]:
    """Pass 10 KB a second."""
    proxy.bytes_per_second = SLOW_BYTES_PER_SECOND
    try:
        yield
    finally:
        proxy.bytes_per_second = None


@contextlib.contextmanager
def silent_server(proxy: TcpProxy) -> Iterator[None]:
    """Pass requests and no answers."""
    proxy.hold(TO_CLIENT)
    try:
        yield
    finally:
        proxy.release()


@contextlib.contextmanager
def silent_client(proxy: TcpProxy) -> Iterator[None]:
    """Pass answers and no requests."""
    proxy.hold(TO_SERVER)
    try:
        yield
    finally:
        proxy.release()


TOXICS: Mapping[str, Callable[[TcpProxy], contextlib.AbstractContextManager[None]]] = {
    "latency": latency,
    "resets": resets,
    "half-open": half_open,
    "slow": slow,
    "silent-server": silent_server,
    "silent-client": silent_client,
}


def each_toxic(proxy: TcpProxy, seconds: float, pause_seconds: float) -> Iterator[str]:
    """Do one after the other to a proxy, with a pause after each; yield the name before it begins."""
    for name, toxic in TOXICS.items():
        yield name
        with toxic(proxy):
            time.sleep(seconds)
        time.sleep(pause_seconds)
