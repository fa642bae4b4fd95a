"""Writes records to Kafka and collects the errors of those that it refuses; every wait has a deadline."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

PURGE_SECONDS = 0.5
# While it waits, the client raises its own fatal errors; together with a delivery report that becomes a SystemError.
FATAL = (KafkaException, SystemError)
# Sends each record in its own batch.
ONE_BY_ONE: dict[str, int] = {"batch.num.messages": 1, "linger.ms": 0}

Id = TypeVar("Id")
Headers = Sequence[tuple[str, Any]]


class NotAcknowledged(Exception):
    """Kafka did not acknowledge all records in time, or the client has a fatal error."""


class Outbound(Generic[Id]):
    """A producer and the errors of its records; `delivered` is called for each acknowledged record."""

    def __init__(self, producer: Producer, delivered: Callable[[Id, Message], None] | None = None) -> None:
        self._producer = producer
        self._on_delivered = delivered
        self.errors: dict[Id, KafkaError] = {}

    def put(
        self, name: Id, topic: str, value: bytes | None, key: bytes | str | None, headers: Headers, deadline: float
    ) -> bool:
        """Put a record into the client's queue, flushed first if it is full; return False if the client refuses it.

        Raises NotAcknowledged when the queue is not flushed by the deadline, a time of time.monotonic().
        """
        report = partial(self._reported, name)
        produce = partial(self._producer.produce, topic, value, key, on_delivery=report, headers=list(headers))
        try:
            try:
                produce()
            except BufferError:
                self.wait(deadline)
                produce()
        except (BufferError, KafkaException) as error:
            refusal = error.args[0]
            self.errors[name] = refusal if isinstance(refusal, KafkaError) else KafkaError(KafkaError._QUEUE_FULL)
            return False
        return True

    def wait(self, deadline: float) -> None:
        """Wait until each record is acknowledged or refused. Raises NotAcknowledged at the deadline."""
        try:
            waiting = self._producer.flush(max(0.0, deadline - time.monotonic()))
        except FATAL as error:
            raise NotAcknowledged(f"events not acknowledged: {error.__cause__ or error}") from error
        if waiting:
            raise NotAcknowledged(f"{waiting} events not acknowledged")

    def close(self) -> None:
        """Drop the records that are not acknowledged; Kafka may have them nevertheless."""
        self._producer.purge()
        with contextlib.suppress(*FATAL):
            self._producer.flush(PURGE_SECONDS)

    def _reported(self, name: Id, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.errors[name] = error
        elif self._on_delivered is not None:
            self._on_delivered(name, message)
