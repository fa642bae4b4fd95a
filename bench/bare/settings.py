"""The settings of the processes of the bare pipeline, from the environment."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic_settings import BaseSettings, SettingsConfigDict


class Engine(StrEnum):
    """The gRPC engine; FRONT is the native one without asyncio."""

    NATIVE = "native"
    GRPCIO = "grpcio"
    FRONT = "front"


class BareSettings(BaseSettings):
    """Addresses, and the levers of measurements."""

    model_config = SettingsConfigDict(env_prefix="BARE_", frozen=True)

    dsn: str = ""
    kafka_bootstrap: str = ""
    kafka_properties: dict[str, str] = {}
    topic: str = "bare"
    listen: str = ""
    engine: Engine = Engine.NATIVE
    # Maximum of orders in one transaction.
    commit_orders: int = 1000
    # Whether orders are stored; otherwise the handler only answers.
    store: bool = True
    publish_events: int = 1000

    @classmethod
    def load(cls) -> Self:
        """Read the environment."""
        return cls()
