"""The settings of a local stack: ports, numbers of processes, and external servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo

from runtime.authentication import IssuerSettings
from runtime.kafka.settings import GroupSettings
from runtime.settings import PREFIX, require_extra
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.word_lists import Words
from stack.errors import PortTaken
from stack.machine import ports

# Wider than the range of metrics ports, so that moved ports never collide within a stack.
OFFSET_STEP = 100
MAX_OFFSETS = 50


class StackSettings(GroupSettings, IssuerSettings, TracingSettings):
    """The ports, processes and external servers of a local stack."""

    port_offset: int = Field(
        default=0, ge=0, le=40_000, description="Added to the default of each port below; a port that is set stays."
    )
    front_port: int = Field(default=8080, ge=1, le=65_535, description="Envoy: REST, gRPC and gRPC-Web.")
    front_address: Literal["127.0.0.1", "0.0.0.0"] = Field(  # noqa: S104 - with authentication only
        default="127.0.0.1",
        description="Where the front port listens: on loopback, or with authentication on all addresses.",
    )
    front_hosts: Words = Field(
        default=(),
        description="Host names besides localhost, 127.0.0.1 and [::1] for which requests are served, "
        "separated by commas, without ports.",
    )
    tls: Literal["off", "on"] = Field(
        default="off",
        description="HTTPS at the front port, with a certificate of the stack's own authority (`ordermesh certs`) "
        "unless ORDERMESH_TLS_CERTIFICATE names one, which turns it on.",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the front port's certificate with its chain, read again when it changes."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the key of ORDERMESH_TLS_CERTIFICATE.")
    tls_client_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities of client certificates; with it, clients need a certificate.",
    )
    envoy_stats_port: int = Field(default=9902, ge=1, le=65_535, description="Envoy's Prometheus statistics.")
    postgres_listen: str = Field(
        default="",
        description="Address on which the local PostgreSQL listens on TCP besides its Unix socket, such as 127.0.0.1.",
    )
    postgres_port: int = Field(
        default=15_432,
        ge=1,
        le=65_535,
        description="The local PostgreSQL: the port with ORDERMESH_POSTGRES_LISTEN, and the number of its Unix socket.",
    )
    kafka_port: int = Field(default=19_092, ge=1, le=65_535, description="The local Kafka.")
    kafka_controller_port: int = Field(default=19_093, ge=1, le=65_535, description="The local Kafka's controller.")
    kafka_2_port: int = Field(default=19_094, ge=1, le=65_535, description="The second of three local brokers.")
    kafka_2_controller_port: int = Field(default=19_095, ge=1, le=65_535, description="The second one's controller.")
    kafka_3_port: int = Field(default=19_096, ge=1, le=65_535, description="The third of three local brokers.")
    kafka_3_controller_port: int = Field(default=19_097, ge=1, le=65_535, description="The third one's controller.")
    orders_metrics_port: int = Field(default=9101, ge=1, le=65_535, description="/metrics of orders.")
    publisher_metrics_port: int = Field(default=9102, ge=1, le=65_535, description="/metrics of the publisher.")
    processor_metrics_port: int = Field(default=9103, ge=1, le=65_535, description="/metrics of the processor.")
    analytics_metrics_port: int = Field(default=9104, ge=1, le=65_535, description="/metrics of analytics.")
    gateway_metrics_port: int = Field(default=9105, ge=1, le=65_535, description="/metrics of the gateway.")
    observe: Literal["off", "on", "logs"] = Field(
        default="off",
        description="Start Prometheus, Alertmanager and Zipkin with the platform, as `ordermesh up --observe` does; "
        "logs: OpenSearch for its log lines too, as `ordermesh up --logs` does.",
    )
    observe_port: int = Field(
        default=9411,
        ge=1,
        le=65_535,
        description="With ORDERMESH_OBSERVE: Prometheus, Alertmanager, Zipkin and OpenSearch.",
    )
    kafka_brokers: int = Field(
        default=1,
        ge=1,
        le=3,
        description="Brokers of the local Kafka: 1, or 3 with every topic replicated to all of them.",
    )
    orders_processes: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Serving processes; at most half as many as cores receive requests, the others stand by.",
    )
    orders_lane: bool = Field(
        default=False,
        description="Serve the most frequent methods on the fast lane: less CPU per order by an engine that has one "
        "maintainer (docs/decisions/0004-fast-lane.md). Needs the extra `lane`.",
    )
    processor_workers: int = Field(default=2, ge=1, le=64, description="Worker processes.")
    rate_limit_per_second: int = Field(
        default=20_000,
        ge=1,
        description="Requests per second of each operator; without authentication, of each client address.",
    )
    customer_rate_limit_per_second: int = Field(
        default=1_000, ge=1, description="Requests per second of each customer."
    )
    analyst_rate_limit_per_second: int = Field(default=200, ge=1, description="Requests per second of each analyst.")
    postgres_admin_dsn: SecretStr | None = Field(
        default=None, description="The superuser's DSN of an external PostgreSQL server, instead of the local one."
    )

    backup_dir: Path | None = Field(
        default=None,
        description="Folder of `ordermesh backup`, best on another disk; the write-ahead log of the local PostgreSQL "
        "is archived there as it is written.",
    )

    @model_validator(mode="before")
    @classmethod
    def move_ports(cls, given: dict[str, object]) -> dict[str, object]:
        """Add the offset to the default of each port that is not set."""
        offset = str(given.get("port_offset", 0))
        if not offset.isdecimal():
            return given
        moved = {name: field.default + int(offset) for name, field in cls.port_fields().items()}
        return moved | given

    @field_validator("kafka_brokers")
    @classmethod
    def one_or_three(cls, number: int) -> int:
        """Reject two brokers, which lose their quorum with one of them down."""
        if number == 2:
            raise ValueError("must be 1 or 3")
        return number

    @field_validator("postgres_listen")
    @classmethod
    def is_an_address(cls, address: str) -> str:
        """Reject a host name: the server would listen wherever it resolves to."""
        try:
            return str(ipaddress.ip_address(address)) if address else ""
        except ValueError:
            raise ValueError("must be an IP address such as 127.0.0.1, or empty") from None

    @field_validator("orders_lane")
    @classmethod
    def has_its_engine(cls, on: bool) -> bool:
        """Reject the fast lane without its engine."""
        if on:
            require_extra("pygrpc_native", "lane")
        return on

    @model_validator(mode="after")
    def tls_is_complete(self) -> Self:
        """Reject a certificate without its key, and client certificates without TLS."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY are required together")
        if self.tls_client_ca is not None and not self.tls_on:
            raise ValueError(f"{PREFIX}TLS_CLIENT_CA requires {PREFIX}TLS=on or {PREFIX}TLS_CERTIFICATE")
        return self

    @model_validator(mode="after")
    def backs_up_its_own_server(self) -> Self:
        """Reject an archive of a server that somebody else runs."""
        if self.backup_dir is not None and self.postgres_admin_dsn is not None:
            raise ValueError(
                f"{PREFIX}BACKUP_DIR is for the local PostgreSQL, but {PREFIX}POSTGRES_ADMIN_DSN is set: "
                "use the backups of that server"
            )
        return self

    @model_validator(mode="after")
    def others_are_authenticated(self) -> Self:
        """Reject a front port that other machines reach without authentication."""
        if self.front_address != ports.LOOPBACK and self.auth == "off":
            raise ValueError(f"{PREFIX}FRONT_ADDRESS={self.front_address} requires {PREFIX}AUTH=keys or jwt")
        return self

    @property
    def tls_on(self) -> bool:
        """Whether the front port speaks TLS."""
        return self.tls == "on" or self.tls_certificate is not None

    @property
    def moves_ports(self) -> bool:
        """Whether a port or the offset is set."""
        return any(getattr(self, name) != field.default for name, field in self.port_fields().items())

    @property
    def external_kafka(self) -> bool:
        """Whether an external Kafka is set, so that no broker is started."""
        return "kafka_bootstrap" in self.model_fields_set

    @property
    def bootstrap(self) -> str:
        """The bootstrap addresses of the external or local Kafka."""
        if self.external_kafka:
            return self.kafka_bootstrap
        return ",".join(f"{ports.LOOPBACK}:{port}" for port, _ in self.broker_ports.values())

    @property
    def broker_ports(self) -> Mapping[int, tuple[int, int]]:
        """The local brokers' ports for clients and controllers by node id."""
        first = {1: (self.kafka_port, self.kafka_controller_port)}
        if self.kafka_brokers == 1:
            return first
        second = (self.kafka_2_port, self.kafka_2_controller_port)
        return {**first, 2: second, 3: (self.kafka_3_port, self.kafka_3_controller_port)}

    @property
    def broker_names(self) -> tuple[str, ...]:
        """The names of the local brokers, none with an external Kafka."""
        if self.external_kafka:
            return ()
        return ("kafka",) if self.kafka_brokers == 1 else tuple(f"kafka-{node}" for node in self.broker_ports)

    def local_ports(self) -> Mapping[str, int]:
        """Return the ports that this stack listens on by their setting."""
        unused = set()
        if self.external_kafka:
            unused |= {"kafka_port", "kafka_controller_port"}
        if self.external_kafka or self.kafka_brokers == 1:
            unused |= {"kafka_2_port", "kafka_2_controller_port", "kafka_3_port", "kafka_3_controller_port"}
        if self.postgres_admin_dsn is not None or not self.postgres_listen:
            unused.add("postgres_port")
        if self.observe == "off":
            unused.add("observe_port")
        names = [name for name in self.port_fields() if name not in unused]
        return {f"{PREFIX}{name.upper()}": getattr(self, name) for name in names}

    @classmethod
    def port_fields(cls) -> dict[str, FieldInfo]:
        """Return the fields of ports."""
        return {name: field for name, field in cls.model_fields.items() if name.endswith("_port")}

    @classmethod
    def with_free_offset(cls) -> StackSettings:
        """Return settings with the first offset at which all ports are free. Raises PortTaken when there is none."""
        for offset in range(0, OFFSET_STEP * MAX_OFFSETS, OFFSET_STEP):
            settings = cls(port_offset=offset)
            if all(map(ports.is_usable, settings.local_ports().values())):
                return settings
        raise PortTaken(
            f"no port offset up to {offset} has all ports free: set ports, or stop the processes that use them"
        )

    @classmethod
    def with_free_ports(cls, **chosen: object) -> StackSettings:
        """Return settings with free ports; `chosen` overrides the environment."""
        names = [name for name in cls.port_fields() if name not in chosen]
        return cls(**dict(zip(names, ports.allocate(len(names)), strict=True)) | chosen)  # type: ignore[arg-type]  # pydantic validates them
