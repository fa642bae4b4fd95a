"""The first Kafka client of a kind that a program makes has lost Kafka, and those after it find it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.kafka import clients, renewed
from runtime.kafka.settings import KafkaSettings

NOBODY = "127.0.0.1:1"


def lose_first(monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float = 0.0) -> list[str]:
    """Lead the first client that a function of `clients` makes to nobody; return where each was led, as it grows.

    Requests that fail for these seconds are a lost client; without any, the first is.
    """
    monkeypatch.setattr(renewed, "LOST_AFTER_SECONDS", seconds)
    make, led_to = getattr(clients, kind), []

    def made(settings: KafkaSettings, *words: Any, **more: Any) -> Any:
        led_to.append(settings.kafka_bootstrap if led_to else NOBODY)
        return make(settings.model_copy(update={"kafka_bootstrap": led_to[-1]}), *words, **more)

    monkeypatch.setattr(clients, kind, made)
    return led_to
