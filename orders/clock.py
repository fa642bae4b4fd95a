"""The database's clock, as a process knows it: its own monotonic clock plus an offset learned from replies."""

from __future__ import annotations

import time


class DatabaseClock:
    """Tells the database's time in microseconds since 1970; a wrong wall clock of this machine changes nothing."""

    def __init__(self) -> None:
        self._offset_us: int | None = None

    def learn(self, database_us: int, sent_at: float, received_at: float) -> None:
        """Take in a time that the database told between two readings of time.monotonic()."""
        offset = database_us - int((sent_at + received_at) * 500_000)
        # A step is taken as it comes; small differences are the network's, and are averaged out.
        if self._offset_us is None or abs(offset - self._offset_us) > 50_000:
            self._offset_us = offset
        else:
            self._offset_us += (offset - self._offset_us) // 8

    @property
    def known(self) -> bool:
        """Tell whether the database has told its time yet."""
        return self._offset_us is not None

    def now_us(self) -> int:
        """Return the database's time. Raises RuntimeError before the first reply."""
        if self._offset_us is None:
            raise RuntimeError("the database has not told its time yet")
        return self._offset_us + int(time.monotonic() * 1_000_000)
