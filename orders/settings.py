"""The settings of the orders services and the publisher."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.addresses import Address, PortAddress
from runtime.postgres.pooler import POOLER, Pooler
from runtime.postgres.retention import RetentionSettings
from runtime.settings import Settings


class DatabaseSettings(Settings):
    """Where the orders are kept."""

    orders_dsn: SecretStr = Field(
        description="The orders database, as a PostgreSQL URI, of one host or several (docs/postgresql.md)."
    )
    postgres_pooler: Pooler = POOLER


class TopicSettings(Settings):
    """How topics are created where they are missing."""

    kafka_partitions: int = Field(default=12, ge=1, le=1000, description="Of each topic of events that is created.")
    kafka_replication: int = Field(default=1, ge=1, le=9, description="Copies of each partition.")
    kafka_min_isr: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="Copies that must have an event before it counts, else as the cluster says.",
    )

    @field_validator("kafka_min_isr")
    @classmethod
    def reachable(cls, wanted: int | None, info: ValidationInfo) -> int | None:
        """Return the minimum as it is. Raises ValueError when no partition has as many copies."""
        copies = info.data.get("kafka_replication")
        if wanted is not None and copies is not None and wanted > copies:
            raise ValueError(f"must be at most ORDERMESH_KAFKA_REPLICATION, which is {copies}")
        return wanted


class ServeSettings(DatabaseSettings, RetentionSettings):
    """The serving processes; `{index}` in the address is the number of the process."""

    orders_listen: Address = Field(
        default="unix:/run/ordermesh/orders-{index}.sock",
        description="unix:/path or host:port; {index} is the process.",
    )
    orders_lane_listen: str = Field(
        default="", description="The fast lane's address, with {index}; without it no lane."
    )
    orders_processes: int = Field(default=2, ge=1, le=64, description="Serving processes.")
    orders_max_in_hand: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Calls that write a process admits at a time; a batch counts as an eighth of its orders. "
        "Of reads, and of changes of one product or order, half as many may wait; others are refused.",
    )
    orders_pool_size: int = Field(
        default=4, ge=1, le=100, description="Connections of a process, beside its writer's two."
    )
    metrics_address: PortAddress = Field(default="127.0.0.1:9101", description="Where /metrics is served.")


class PublisherSettings(DatabaseSettings):
    """The publisher."""

    publisher_batch_events: int = Field(default=1000, ge=1, le=10_000, description="Events published at a time.")
    publisher_shards: int = Field(
        default=64,
        ge=1,
        le=64,
        description="Shards claimed at a time, of 64; with N publishers 64 / N shares them best.",
    )
    publisher_ack_seconds: float = Field(
        default=5.0, gt=0, le=8, description="Patience with Kafka, within the claim's 10 s."
    )
    metrics_address: PortAddress = Field(default="127.0.0.1:9102", description="Where /metrics is served.")
