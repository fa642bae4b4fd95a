"""What the processes of the bare pipeline are told through their environment."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic_settings import BaseSettings, SettingsConfigDict


class Engine(StrEnum):
    """Which gRPC engine serves; FRONT is the native one without asyncio above it."""

    NATIVE = "native"
    GRPCIO = "grpcio"
    FRONT = "front"


class BareSettings(BaseSettings):
    """Addresses, and the levers that an ablation moves."""

    model_config = SettingsConfigDict(env_prefix="BARE_", frozen=True)

    dsn: str = ""
    kafka: str = ""
    topic: str = "bare"
    listen: str = ""
    engine: Engine = Engine.NATIVE
    # Orders in one transaction at most.
    commit_orders: int = 1000
    # Without a database the handler only answers.
    store: bool = True
    publish_events: int = 1000

    @classmethod
    def load(cls) -> Self:
        """Read the environment."""
        return cls()
