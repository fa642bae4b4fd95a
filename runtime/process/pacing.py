"""How long to rest between rounds: few events a round cost Kafka and the database most of all."""

from __future__ import annotations

import time

MAX_REST_SECONDS = 0.05
# A round with so many is work enough by itself.
ENOUGH_EVENTS = 500
PACE_SECONDS = 0.1


class Pace:
    """Lets events gather between rounds, above `many_per_second` as many as are worth a round."""

    def __init__(self, many_per_second: float) -> None:
        self._many_per_second = many_per_second
        self._since = time.monotonic()
        self._events = 0
        self._per_second = 0.0

    def rest_seconds(self, events: int, started_at: float) -> float:
        """Return how long to rest after a round: not in a backlog; until enough have come, where many come; else as
        long as the round took.
        """
        now = time.monotonic()
        self._events += events
        if now - self._since >= PACE_SECONDS:
            self._per_second = self._events / (now - self._since)
            self._since, self._events = now, 0
        if events >= ENOUGH_EVENTS:
            return 0.0
        many = self._per_second > self._many_per_second
        return min(ENOUGH_EVENTS / self._per_second if many else now - started_at, MAX_REST_SECONDS)
