"""The settings of the processor's programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.addresses import Address, PortAddress
from runtime.kafka.group_protocol import CLASSIC_ONLY, GroupProtocol
from runtime.postgres.pooler import POOLER, Pooler
from runtime.postgres.retention import RetentionSettings
from runtime.settings import PREFIX, Settings


class DatabaseSettings(Settings):
    """What every program of the processor needs: the analytics database."""

    analytics_dsn: SecretStr = Field(
        description="The analytics database, as a PostgreSQL URI, of one host or several (docs/postgresql.md)."
    )
    postgres_pooler: Pooler = POOLER


class WorkSettings(DatabaseSettings, RetentionSettings):
    """The counting workers."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9103", description="Where /metrics is served.")
    processor_workers: int = Field(default=2, ge=1, le=64, description="Counting processes.")
    processor_group: str = Field(default="ordermesh-metrics", min_length=1, description="Their consumer group.")
    kafka_group_protocol: Literal["auto", "classic", "consumer"] = Field(
        default="auto",
        description="How they join it; auto is consumer (KIP-848) where the broker has it, else classic.",
    )
    processor_batch_events: int = Field(default=2_000, ge=1, le=10_000, description="Most events of a transaction.")
    processor_pause_window_records: int = Field(
        default=10_000, ge=1, le=1_000_000, description="The latest records of a partition, by which it is judged."
    )
    processor_pause_bad_percent: int = Field(
        default=50, ge=1, le=100, description="A partition is paused while more of them cannot be counted; 100: never."
    )
    processor_pause_probe_seconds: float = Field(
        default=10.0, ge=0.1, le=3_600, description="A paused partition is read so often, one batch at a time."
    )

    @field_validator("kafka_group_protocol")
    @classmethod
    def allows_the_properties(cls, protocol: str, info: ValidationInfo) -> str:
        """Refuse what the client refuses too: properties of the classic protocol beside the new one."""
        refused = CLASSIC_ONLY & info.data.get("kafka_properties", {}).keys()
        if protocol == "consumer" and refused:
            raise ValueError(f"must be classic or auto with {', '.join(sorted(refused))} in {PREFIX}KAFKA_PROPERTIES")
        return protocol

    @property
    def first_group_protocol(self) -> GroupProtocol:
        """The protocol to begin with."""
        if self.kafka_group_protocol != "auto":
            return self.kafka_group_protocol
        return "classic" if CLASSIC_ONLY & self.kafka_properties.keys() else "consumer"


class ServeSettings(DatabaseSettings):
    """The analytics server."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9104", description="Where /metrics is served.")
    analytics_listen: Address = Field(
        default="unix:/run/ordermesh/analytics.sock", description="gRPC: unix:/path or host:port."
    )
    analytics_threads: int = Field(default=8, ge=1, le=64, description="Calls answered at a time.")
