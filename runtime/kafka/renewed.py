"""Clients that live as long as their process, and are replaced when they have lost Kafka.

Brokers that stood still for longer than their sessions answer, until they are registered again, that there are no
brokers and no controller. A client that asks meanwhile forgets the brokers, and some never find one again, although
Kafka answers all others (librdkafka 2.10 to 2.16, issue 5301).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from confluent_kafka import KafkaException

# Longer than a broker's restart. In an outage, a new client this often costs little.
LOST_AFTER_SECONDS = 10.0
# Two failures so far apart are not one outage: nothing was asked for meanwhile.
FORGOTTEN_AFTER_SECONDS = 30.0

Client = TypeVar("Client")


class Failures:
    """For how long requests have failed one after the other, without one that succeeded."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0

    def failed(self) -> bool:
        """Note a failure, and return whether they have gone on for LOST_AFTER_SECONDS; they then begin anew."""
        now = time.monotonic()
        if self._since is None or now - self._last > FORGOTTEN_AFTER_SECONDS:
            self._since = now
        self._last = now
        if now - self._since < LOST_AFTER_SECONDS:
            return False
        self._since = None
        return True

    def succeeded(self) -> None:
        """Note a request that succeeded."""
        self._since = None


class Renewed(Generic[Client]):
    """A client, or several that are used together: made on first use, and anew once requests failed for a while.

    For several threads; those that still use a client that was replaced keep it until they are done.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._client: Client | None = None
        self._failures = Failures()
        self._lock = threading.Lock()

    def get(self) -> Client:
        """Return the client."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    @contextmanager
    def requests(self) -> Iterator[Client]:
        """Yield the client for requests; the body raises KafkaException or TimeoutError when one failed."""
        try:
            yield self.get()
        except (KafkaException, TimeoutError):
            self.failed()
            raise
        self.succeeded()

    def failed(self) -> None:
        """Note that a request failed; after LOST_AFTER_SECONDS of that the next one has another client."""
        # Kept until the lock is free: what nobody else uses ends with its threads.
        last = self._client
        with self._lock:
            if self._client is last and self._failures.failed():
                self._client = None

    def succeeded(self) -> None:
        """Note that a request succeeded."""
        with self._lock:
            self._failures.succeeded()
