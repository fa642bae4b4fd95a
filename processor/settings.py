"""The settings of the processor's programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from runtime import listen
from runtime.settings import Settings


def checked_address(address: str) -> str:
    """Return the address as it is. Raises ValueError when nothing can listen there."""
    listen.socket_path(address)
    return address


class DatabaseSettings(Settings):
    """What every program of the processor needs: the analytics database."""

    analytics_dsn: SecretStr


class WorkSettings(DatabaseSettings):
    """The counting workers."""

    metrics_address: str = "127.0.0.1:9103"
    processor_workers: int = Field(2, ge=1, le=64)
    processor_group: str = Field("ordermesh-metrics", min_length=1)
    processor_batch_events: int = Field(2_000, ge=1, le=10_000)
    processor_retention_days: int = Field(30, ge=1, le=3_650)
    processor_dead_letters_per_minute: int = Field(1_000, ge=1)


class ServeSettings(DatabaseSettings):
    """The analytics server."""

    metrics_address: str = "127.0.0.1:9104"
    analytics_listen: Annotated[str, AfterValidator(checked_address)] = "unix:/run/ordermesh/analytics.sock"
    analytics_threads: int = Field(8, ge=1, le=64)
