"""Settings of the processor's programs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.addresses import Address, PortAddress
from runtime.authentication import AuthenticationSettings
from runtime.grpc.connection_age import ConnectionAgeSettings
from runtime.grpc.service_tls import ServiceTlsSettings
from runtime.kafka.group_protocol import CLASSIC_ONLY, GroupProtocol
from runtime.kafka.settings import GroupSettings
from runtime.postgres.retention import RetentionSettings
from runtime.postgres.settings import PostgresSettings, with_password
from runtime.settings import PREFIX
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.tokens.token_settings import TokenSettings


class DatabaseSettings(PostgresSettings):
    """Settings of every program of the processor: the analytics database."""

    analytics_dsn: SecretStr = Field(
        description="PostgreSQL URI of the analytics database, with one host or several (docs/how-to/postgresql.md)."
    )
    _password = field_validator("analytics_dsn")(with_password)


class EventSettings(DatabaseSettings, GroupSettings):
    """Settings of every program that uses Kafka besides the analytics database."""


class WorkSettings(EventSettings, RetentionSettings, TracingSettings):
    """The counting workers."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9103", description="Where /metrics is served.")
    processor_workers: int = Field(default=2, ge=1, le=64, description="Number of worker processes.")
    kafka_group_protocol: Literal["auto", "classic", "consumer"] = Field(
        default="auto",
        description="Group protocol; auto is consumer (KIP-848) if the broker supports it, else classic.",
    )
    processor_batch_events: int = Field(
        default=2_000, ge=1, le=10_000, description="Maximum number of events per transaction."
    )
    processor_pause_window_records: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Number of recent records of a partition that decide whether it is paused.",
    )
    processor_pause_bad_percent: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Pauses a partition while more than this share of its recent records is rejected; 100: never.",
    )
    processor_pause_probe_seconds: float = Field(
        default=10.0, ge=0.1, le=3_600, description="Interval at which one batch of a paused partition is read."
    )

    @field_validator("kafka_group_protocol")
    @classmethod
    def allows_the_properties(cls, protocol: str, info: ValidationInfo) -> str:
        """Refuse properties of the classic protocol with the new one, as the client does."""
        refused = CLASSIC_ONLY & info.data.get("kafka_properties", {}).keys()
        if protocol == "consumer" and refused:
            raise ValueError(f"must be classic or auto with {', '.join(sorted(refused))} in {PREFIX}KAFKA_PROPERTIES")
        return protocol

    @property
    def first_group_protocol(self) -> GroupProtocol:
        """The protocol of the first attempt to join."""
        if self.kafka_group_protocol != "auto":
            return self.kafka_group_protocol
        return "classic" if CLASSIC_ONLY & self.kafka_properties.keys() else "consumer"


class ServeSettings(
    EventSettings, AuthenticationSettings, TokenSettings, ServiceTlsSettings, ConnectionAgeSettings, TracingSettings
):
    """The analytics server."""

    listens: ClassVar[tuple[str, ...]] = ("analytics_listen",)

    metrics_address: PortAddress = Field(default="127.0.0.1:9104", description="Where /metrics is served.")
    analytics_listen: Address = Field(
        default="unix:/run/ordermesh/analytics.sock", description="gRPC: unix:/path or host:port."
    )
    analytics_threads: int = Field(default=8, ge=1, le=64, description="Number of concurrent calls.")
