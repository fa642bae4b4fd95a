"""The maximum size of batches that the event topics allow, read from Kafka at intervals."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException

from orders.settings import PublisherSettings
from runtime.kafka import clients, size_limits, topics
from runtime.telemetry.logging import logger

MAX_AGE_SECONDS = 600.0


class BatchSize:
    """The maximum batch size in bytes, for all event topics."""

    def __init__(self, settings: PublisherSettings, process: str) -> None:
        self._settings = settings
        self._process = process
        self.max_bytes = size_limits.DEFAULT_BATCH_BYTES
        self._limits: dict[str, int] = {}
        self._expires_at = 0.0
        self._too_large = self._denial_logged = False

    def refresh(self) -> bool:
        """Read the limits again when they are expired, which blocks; return whether the maximum changed."""
        now = time.monotonic()
        if now < self._expires_at:
            return False
        max_bytes = self._allowed_bytes()
        self._expires_at, self._too_large = now + MAX_AGE_SECONDS, False
        changed = max_bytes != self.max_bytes
        self.max_bytes = max_bytes
        return changed

    def report_too_large(self) -> None:
        """Expire the limits: Kafka rejected a batch as too large."""
        self._too_large = True
        self._expires_at = 0.0

    def limit(self, topic: str) -> int:
        """Return the limit of a topic in bytes, 0 when it is unknown."""
        return self._limits.get(topic, 0)

    def _allowed_bytes(self) -> int:
        """Return the lowest limit of the topics; when it cannot be read, half of a size that was rejected."""
        try:
            client = clients.admin(self._settings, f"{self._process}-limits")
            self._limits = size_limits.read_limits(client, topics.EVENT_TOPICS)
        except PermissionError as error:
            if not self._denial_logged:
                self._denial_logged = True
                logger().warning(
                    "size limits of topics unreadable, events of rejected batches are sent again one by one",
                    error=error,
                )
        except KafkaException:
            # Sending the events reports the outage.
            pass
        else:
            return size_limits.batch_bytes(self._limits.values())
        return max(self.max_bytes // 2, size_limits.MIN_MESSAGE_BYTES) if self._too_large else self.max_bytes
