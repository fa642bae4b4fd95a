"""How long to pause between rounds: rounds of few events cost Kafka and the database the most for each event."""

from __future__ import annotations

import time

MAX_PAUSE_SECONDS = 0.05
# After a round of so many events, the next one starts at once.
FULL_ROUND_EVENTS = 500
RATE_WINDOW_SECONDS = 0.1


class BatchPacer:
    """Pauses between rounds; above `many_per_second` events, until a full round has arrived."""

    def __init__(self, many_per_second: float) -> None:
        self._many_per_second = many_per_second
        self._since = time.monotonic()
        self._events = 0
        self._per_second = 0.0

    def pause_seconds(self, events: int, started_at: float) -> float:
        """Return the pause after a round of so many events that started at a time of the monotonic clock.

        No pause with a backlog; at a high rate, until enough events have arrived; else as long as the round took.
        """
        now = time.monotonic()
        self._events += events
        if now - self._since >= RATE_WINDOW_SECONDS:
            self._per_second = self._events / (now - self._since)
            self._since, self._events = now, 0
        if events >= FULL_ROUND_EVENTS:
            return 0.0
        many = self._per_second > self._many_per_second
        return min(FULL_ROUND_EVENTS / self._per_second if many else now - started_at, MAX_PAUSE_SECONDS)
