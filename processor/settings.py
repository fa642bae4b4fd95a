"""The settings of the processor's programs."""

from __future__ import annotations

from pydantic import Field, SecretStr

from runtime.addresses import Address, PortAddress
from runtime.settings import Settings


class DatabaseSettings(Settings):
    """What every program of the processor needs: the analytics database."""

    analytics_dsn: SecretStr = Field(description="The analytics database, as a PostgreSQL URI.")


class WorkSettings(DatabaseSettings):
    """The counting workers."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9103", description="Where /metrics is served.")
    processor_workers: int = Field(default=2, ge=1, le=64, description="Counting processes.")
    processor_group: str = Field(default="ordermesh-metrics", min_length=1, description="Their consumer group.")
    processor_batch_events: int = Field(default=2_000, ge=1, le=10_000, description="Most events of a transaction.")
    processor_retention_days: int = Field(
        default=30, ge=1, le=3_650, description="Days for which it is known whether an event was counted."
    )
    processor_dead_letters_per_minute: int = Field(
        default=1_000, ge=1, description="Dead letters after which a worker pauses and says so."
    )


class ServeSettings(DatabaseSettings):
    """The analytics server."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9104", description="Where /metrics is served.")
    analytics_listen: Address = Field(
        default="unix:/run/ordermesh/analytics.sock", description="gRPC: unix:/path or host:port."
    )
    analytics_threads: int = Field(default=8, ge=1, le=64, description="Calls answered at a time.")
