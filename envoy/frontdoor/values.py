"""The values that differ between targets: addresses, the access log, and some limits."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from frontdoor.policies.identity import CONTAINER, Identity
from frontdoor.policies.tls import Tls
from frontdoor.policies.tracing import Tracing
from runtime.addresses import LOCAL_HOSTS

# Requests per second of a client by its role; without authentication all are one.
RATE_LIMIT_PER_SECOND = 20_000
CUSTOMER_RATE_LIMIT_PER_SECOND = 1_000
ANALYST_RATE_LIMIT_PER_SECOND = 200
# The limit of open files and connections of Envoy: containers and services have at least as many.
DESCRIPTORS = 65_536
MIN_DESCRIPTORS = 512
# The kernel's limit for the path of a Unix socket.
MAX_SOCKET_PATH_BYTES = 107
LOOPBACK = "127.0.0.1"
NOT_EXPORTED = Tracing()
HOST = re.compile(r"(?i)[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:]{2,45}\]")
# All interfaces, in a container.
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the published ports are on loopback
FRONT_PORT, STATS_PORT = 8080, 9902
GRPC_PORT, PAGES_PORT = 50051, 8081
# Of a pod, whose other containers are gone when Envoy runs. The hook that drains it can reach no Unix socket.
POD_ADMIN_PORT = 9901
# In a container, where nobody else is.
ADMIN_SOCKET = "/tmp/envoy-admin.sock"  # noqa: S108 - of the container


class EnvoyConfigError(ValueError):
    """A value or a configuration is invalid; the message names it and what is required."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host with a port, or the path of a Unix socket with port 0."""

    host: str
    port: int = 0

    @property
    def is_socket(self) -> bool:
        """Whether this is a Unix socket."""
        return self.port == 0

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.is_socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class EnvoyValues:
    """The values of one rendered configuration."""

    front: Address
    admin: Address
    stats: Address
    orders: tuple[Address, ...]
    analytics: tuple[Address, ...]
    gateway: tuple[Address, ...]
    gateway_http: tuple[Address, ...]
    access_log: str
    health_interval_ms: int
    rate_limit_per_second: int = RATE_LIMIT_PER_SECOND
    customer_rate_limit_per_second: int = CUSTOMER_RATE_LIMIT_PER_SECOND
    analyst_rate_limit_per_second: int = ANALYST_RATE_LIMIT_PER_SECOND
    lane: tuple[Address, ...] = ()
    # This many orders processes get the calls while they are healthy, the others are on standby; 0: all get calls.
    orders_active: int = 0
    descriptors: int = DESCRIPTORS
    # The host names that are served, without ports.
    hosts: tuple[str, ...] = LOCAL_HOSTS
    # HTTPS for clients, and TLS with client certificates towards services on host:port.
    tls: Tls | None = None
    services_tls: Tls | None = None
    # None: callers are not authenticated.
    identity: Identity = None
    tracing: Tracing = NOT_EXPORTED
    # How long a client's connection lasts; 0: without limit.
    connection_seconds: float = 0
    # Whether the access log names who called, beside the role.
    logs_subjects: bool = True

    def __post_init__(self) -> None:
        """Raise EnvoyConfigError for a value that is out of range."""
        for name in ("rate_limit_per_second", "customer_rate_limit_per_second", "analyst_rate_limit_per_second"):
            if getattr(self, name) < 1:
                raise EnvoyConfigError(f"{name} must be 1 or more, is {getattr(self, name)}")
        if self.connection_seconds < 0:
            raise EnvoyConfigError(f"connection_seconds must be 0 or more, is {self.connection_seconds:g}")
        if self.identity is None and not self.front.is_on_loopback:
            raise EnvoyConfigError(
                f"without authentication the front proxy listens on loopback only, not on {self.front.host}: "
                "set ORDERMESH_AUTH to keys or jwt"
            )
        if not self.orders:
            raise EnvoyConfigError("orders_sockets must have at least one socket, is empty")
        if self.descriptors < MIN_DESCRIPTORS:
            raise EnvoyConfigError(
                f"Envoy needs at least {MIN_DESCRIPTORS} open files, the limit is {self.descriptors} (ulimit -n)"
            )
        if not 0 <= self.orders_active <= len(self.orders):
            raise EnvoyConfigError(f"orders_active must be 0 to {len(self.orders)}, is {self.orders_active}")
        for host in self.hosts:
            if not HOST.fullmatch(host):
                raise EnvoyConfigError(
                    f"front_hosts must be host names without a port and without *, or [IPv6], has {host!r}"
                )

    @property
    def rate_limits(self) -> dict[str, int]:
        """The requests per second of a client by its role; `none` without authentication."""
        return {
            "none": self.rate_limit_per_second,
            "operator": self.rate_limit_per_second,
            "customer": self.customer_rate_limit_per_second,
            "analyst": self.analyst_rate_limit_per_second,
        }

    @classmethod
    def local(
        cls,
        run_dir: Path,
        *,
        front_address: str = LOOPBACK,
        front_port: int = FRONT_PORT,
        admin_socket: Path | None = None,
        stats_port: int = STATS_PORT,
        orders_sockets: Sequence[Path],
        lane_sockets: Sequence[Path] = (),
        other_sockets: Mapping[str, Path] | None = None,
        access_log: Path,
        rate_limit_per_second: int = RATE_LIMIT_PER_SECOND,
        customer_rate_limit_per_second: int = CUSTOMER_RATE_LIMIT_PER_SECOND,
        analyst_rate_limit_per_second: int = ANALYST_RATE_LIMIT_PER_SECOND,
        orders_active: int = 0,
        descriptors: int = DESCRIPTORS,
        hosts: Sequence[str] = (),
        tls: Tls | None = None,
        identity: Identity = None,
        tracing: Tracing = NOT_EXPORTED,
        logs_subjects: bool = True,
    ) -> Self:
        """Return the values for one machine, where each process listens on a Unix socket.

        Those of analytics, gateway and gateway-http are in `run_dir`, or where `other_sockets` has them.
        """
        known = other_sockets or {}

        def socket(name: str) -> tuple[Address, ...]:
            return (Address(socket_path(known.get(name, run_dir / f"{name}.sock"), name)),)

        return cls(
            front=Address(front_address, checked_port(front_port, "front_port")),
            admin=Address(socket_path(admin_socket or run_dir / "envoy-admin.sock", "admin_socket")),
            stats=Address(LOOPBACK, checked_port(stats_port, "stats_port")),
            orders=tuple(Address(socket_path(path, "orders_sockets")) for path in orders_sockets),
            lane=tuple(Address(socket_path(path, "lane_sockets")) for path in lane_sockets),
            analytics=socket("analytics"),
            gateway=socket("gateway"),
            gateway_http=socket("gateway-http"),
            access_log=str(access_log),
            health_interval_ms=250,
            rate_limit_per_second=rate_limit_per_second,
            customer_rate_limit_per_second=customer_rate_limit_per_second,
            analyst_rate_limit_per_second=analyst_rate_limit_per_second,
            orders_active=orders_active,
            descriptors=descriptors,
            hosts=(*LOCAL_HOSTS, *hosts),
            tls=tls,
            identity=identity,
            tracing=tracing,
            logs_subjects=logs_subjects,
        )

    @classmethod
    def compose(cls, identity: Identity = CONTAINER) -> Self:
        """Return the values for Docker Compose, where the host names are those of the services."""
        return cls.of_hosts(identity, orders="orders", analytics="analytics", gateway="gateway", front=("envoy",))

    @classmethod
    def cluster(cls, identity: Identity = CONTAINER) -> Self:
        """Return the values for Kubernetes, where headless services resolve to every pod."""
        values = cls.of_hosts(
            identity, orders="orders-headless", analytics="analytics-headless", gateway="gateway-headless"
        )
        return replace(values, admin=Address(LOOPBACK, POD_ADMIN_PORT))

    def prefixed(self, prefix: str) -> Self:
        """Return values whose services on other hosts have a prefix before their names."""

        def named(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
            return tuple(replace(address, host=f"{prefix}{address.host}") for address in addresses)

        return replace(
            self,
            orders=named(self.orders),
            analytics=named(self.analytics),
            gateway=named(self.gateway),
            gateway_http=named(self.gateway_http),
        )

    @classmethod
    def of_hosts(
        cls, identity: Identity, *, orders: str, analytics: str, gateway: str, front: Sequence[str] = ()
    ) -> Self:
        """Return the values for services resolved by DNS; `front` are further host names of the front proxy."""
        return cls(
            front=Address(EVERYWHERE, FRONT_PORT),
            admin=Address(ADMIN_SOCKET),
            stats=Address(EVERYWHERE, STATS_PORT),
            orders=(Address(orders, GRPC_PORT),),
            analytics=(Address(analytics, GRPC_PORT),),
            gateway=(Address(gateway, GRPC_PORT),),
            gateway_http=(Address(gateway, PAGES_PORT),),
            access_log="/dev/stdout",
            health_interval_ms=400,
            hosts=(*LOCAL_HOSTS, *front),
            identity=identity,
        )


def socket_path(path: Path, name: str) -> str:
    """Return the path of a Unix socket. Raises EnvoyConfigError when it is relative or too long for the kernel."""
    size = len(os.fsencode(path))
    if not path.is_absolute() or size > MAX_SOCKET_PATH_BYTES:
        raise EnvoyConfigError(
            f"{name} must be an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes, is {path} ({size} bytes)"
        )
    return str(path)


def checked_port(port: int, name: str) -> int:
    """Return the port. Raises EnvoyConfigError when it is out of range."""
    if not 1 <= port <= 65_535:
        raise EnvoyConfigError(f"{name} must be a port from 1 to 65535, is {port}")
    return port
