"""Pauses a partition while most of its records cannot be counted, as after a bad deployment.

See docs/decisions/0017-bad-partitions.md.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from processor.events.batch import Batch
from processor.settings import WorkSettings
from runtime.kafka.offsets import Partition
from runtime.postgres.queries import Queries
from runtime.telemetry.logging import logger

SQL = Queries("processor.consume", "pauses.sql")

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """A partition that is paused, or read on since somebody released it."""

    partition: Partition
    records: int
    bad: int
    paused_at: datetime
    released_at: datetime | None

    @property
    def name(self) -> str:
        """The partition as `parse_partition` reads it."""
        return f"{self.partition[0]}/{self.partition[1]}"


@dataclass(slots=True)
class Window:
    """The latest records of a partition: how many, and how many of them were bad."""

    size: int
    records: int = 0
    bad: int = 0
    batches: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, records: int, bad: int) -> None:
        """Add a batch and drop those that are no longer needed to fill the window."""
        self.batches.append((records, bad))
        self.records += records
        self.bad += bad
        while self.records - self.batches[0][0] >= self.size:
            first_records, first_bad = self.batches.popleft()
            self.records -= first_records
            self.bad -= first_bad

    @property
    def full(self) -> bool:
        """Whether it holds enough to judge."""
        return self.records >= self.size


class Pauses:
    """What one worker knows of the partitions that it holds; those without a bad record cost nothing."""

    def __init__(self, settings: WorkSettings) -> None:
        self._settings = settings
        self._windows: dict[Partition, Window] = {}
        # When to look at them again.
        self._paused: dict[Partition, float] = {}
        # The next batch decides.
        self._probed: set[Partition] = set()
        self._released: set[Partition] = set()

    def __len__(self) -> int:
        return len(self._paused) + len(self._probed)

    def load(self, connection: Connection, held: Collection[Partition]) -> None:
        """Learn which of the partitions are paused or released; those that others paused are looked at now."""
        known = {pause.partition: pause for pause in pauses(connection) if pause.partition in held}
        self._released = {place for place, pause in known.items() if pause.released_at}
        self._paused = {place: at for place, at in self._paused.items() if place in known}
        self._probed = known.keys() - self._paused.keys() - self._released
        self._windows = {place: window for place, window in self._windows.items() if place in held}

    def counted(self, connection: Connection, batch: Batch) -> list[Partition]:
        """Judge the partitions of a batch that was counted; return those to pause now."""
        bad = Counter(letter.place[:2] for letter in batch.parked)
        if not (bad or self._windows or self._probed or self._released):
            return []
        spans = [(place, span.events, bad[place]) for place, span in batch.spans.items() if span.events]
        return [place for place, records, found in spans if self._judge(connection, place, records, found)]

    def _judge(self, connection: Connection, place: Partition, records: int, bad: int) -> bool:
        """Take note of the records of a batch and say whether their partition is to be paused now."""
        if place in self._probed:
            judged = Window(1, records, bad)
        elif bad or place in self._windows or place in self._released:
            judged = self._windows.setdefault(place, Window(self._settings.processor_pause_window_records))
            judged.add(records, bad)
        else:
            return False
        if not judged.bad:
            self._windows.pop(place, None)
        if not judged.full or place in self._paused:
            return False
        if judged.bad * 100 <= judged.records * self._settings.processor_pause_bad_percent:
            self._ends(connection, place)
            return False
        return place not in self._released and self._pause(connection, place, judged)

    def _pause(self, connection: Connection, place: Partition, judged: Window) -> bool:
        connection.execute(SQL.pause, {**named(place), "records": judged.records, "bad": judged.bad})
        if place not in self._probed:
            logger().error("partition paused: most of it cannot be counted", **told(place, judged.records, judged.bad))
        self._windows.pop(place, None)
        self._probed.discard(place)
        self._paused[place] = time.monotonic() + self._settings.processor_pause_probe_seconds
        return True

    def _ends(self, connection: Connection, place: Partition) -> None:
        if place in self._probed or place in self._released:
            connection.execute(SQL.end_pause, named(place))
            self._probed.discard(place)
            self._released.discard(place)
            logger().info("most of a partition can be counted again", topic=place[0], partition=place[1])

    def due(self, connection: Connection) -> list[Partition]:
        """Return the paused partitions to read on: those to look at again, and those that somebody released."""
        if not self._paused:
            return []
        released = {pause.partition for pause in pauses(connection) if pause.released_at}
        now = time.monotonic()
        found = [place for place, due_at in self._paused.items() if now >= due_at or place in released]
        for place in found:
            del self._paused[place]
            (self._released if place in released else self._probed).add(place)
        return found


def pauses(connection: Connection) -> list[Pause]:
    """List the partitions that are paused, and those that were released and are still bad. Raises psycopg.Error."""
    return [Pause((topic, partition), *rest) for topic, partition, *rest in connection.execute(SQL.list_pauses)]


def release(connection: Connection, partitions: Sequence[Partition]) -> list[Partition]:
    """Have paused partitions read on, all of them where none is named; return which. Raises psycopg.Error."""
    parameters = {"topics": [topic for topic, _ in partitions], "partitions": [number for _, number in partitions]}
    return [(topic, number) for topic, number in connection.execute(SQL.release, parameters)]


def parse_partition(text: str) -> Partition:
    """Read the name of a partition. Raises ValueError."""
    topic, _, number = text.partition("/")
    if not topic or not number.isdecimal():
        raise ValueError(f"{text!r} must be topic/partition, such as order-events/3")
    return topic, int(number)


def named(place: Partition) -> dict[str, Any]:
    """Return a partition as parameters."""
    return {"topic": place[0], "partition": place[1]}


def told(place: Partition, records: int, bad: int) -> dict[str, Any]:
    """Return what the log says of a partition."""
    return {**named(place), "records": records, "bad": bad}
