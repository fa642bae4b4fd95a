"""The settings of the orders service, the publisher and the creation of topics."""

from typing import ClassVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.addresses import Address, PortAddress
from runtime.authentication import AuthenticationSettings
from runtime.grpc.connection_age import ConnectionAgeSettings
from runtime.grpc.service_tls import ServiceTlsSettings
from runtime.kafka.settings import GroupSettings, KafkaSettings
from runtime.postgres.retention import RetentionSettings
from runtime.postgres.settings import PostgresSettings, with_password
from runtime.settings import require_extra
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.tokens.token_settings import TokenSettings


class DatabaseSettings(PostgresSettings):
    """The orders database."""

    orders_dsn: SecretStr = Field(
        description="PostgreSQL URI of the orders database, with one host or several (docs/how-to/postgresql.md)."
    )
    _password = field_validator("orders_dsn")(with_password)


class AclSettings(GroupSettings):
    """The ACLs that are created."""


class TopicSettings(KafkaSettings):
    """The properties of topics that are created."""

    kafka_partitions: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="Partitions of each topic. A topic with fewer gets more, after which the events of an order that "
        "had some before are in two partitions; none are taken away.",
    )
    kafka_replication: int = Field(default=1, ge=1, le=9, description="Replicas of each partition.")
    kafka_min_isr: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="In-sync replicas required for a write (min.insync.replicas); default: the cluster's setting.",
    )

    @field_validator("kafka_min_isr")
    @classmethod
    def at_most_replication(cls, min_isr: int | None, info: ValidationInfo) -> int | None:
        """Return the value. Raises ValueError when it exceeds the number of replicas."""
        replicas = info.data.get("kafka_replication")
        if min_isr is not None and replicas is not None and min_isr > replicas:
            raise ValueError(f"must be at most ORDERMESH_KAFKA_REPLICATION, which is {replicas}")
        return min_isr


class ServeSettings(
    DatabaseSettings,
    RetentionSettings,
    AuthenticationSettings,
    TokenSettings,
    ServiceTlsSettings,
    ConnectionAgeSettings,
    TracingSettings,
):
    """The serving processes; `{index}` in an address is the index of the process."""

    listens: ClassVar[tuple[str, ...]] = ("orders_listen", "orders_lane_listen")

    orders_listen: Address = Field(
        default="unix:/run/ordermesh/orders-{index}.sock",
        description="Listen address, unix:/path or host:port; {index} is the index of the process.",
    )
    orders_lane_listen: str = Field(
        default="", description="Listen address of the fast lane, with {index}; empty: no fast lane."
    )
    orders_processes: int = Field(default=2, ge=1, le=64, description="Number of serving processes.")
    orders_max_in_flight: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Writing calls that a process admits at a time; a batch counts as an eighth of its orders. "
        "Half as many reads may wait, and half as many writes of one product or order; others are refused.",
    )
    orders_pool_size: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Database connections in the pool of a process, besides those of the writer and the notifier.",
    )
    metrics_address: PortAddress = Field(default="127.0.0.1:9101", description="Listen address of /metrics.")

    @field_validator("orders_lane_listen")
    @classmethod
    def has_its_engine(cls, address: str) -> str:
        """Reject the fast lane without its engine."""
        if address:
            require_extra("pygrpc_native", "lane")
        return address


class PublisherSettings(DatabaseSettings, KafkaSettings, TracingSettings):
    """The publisher."""

    publisher_batch_events: int = Field(
        default=1000, ge=1, le=10_000, description="Maximum number of events in a batch."
    )
    publisher_shards: int = Field(
        default=64,
        ge=1,
        le=64,
        description="Shards that a publisher claims at a time, of 64; with N publishers, use 64 / N.",
    )
    publisher_ack_seconds: float = Field(
        default=5.0, gt=0, le=8, description="Maximum wait for Kafka's acknowledgements."
    )
    metrics_address: PortAddress = Field(default="127.0.0.1:9102", description="Listen address of /metrics.")
