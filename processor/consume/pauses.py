"""Pauses a partition while most of its records are rejected, as after a faulty deployment.

See docs/decisions/0017-bad-partitions.md.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processor.events.batch import Batch
from processor.settings import WorkSettings
from runtime.audit.entries import Action, Origin, record
from runtime.kafka.offsets import Partition
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries
from runtime.telemetry.logging import logger

SQL = Queries("processor.consume", "pauses.sql")


@dataclass(frozen=True, slots=True)
class Pause:
    """A partition that is paused, or that an operator released. `bad` of its last `records` were rejected."""

    partition: Partition
    records: int
    bad: int
    paused_at: datetime
    released_at: datetime | None

    @property
    def name(self) -> str:
        """The partition in the form that `parse_partition` accepts."""
        return f"{self.partition[0]}/{self.partition[1]}"


@dataclass(slots=True)
class RecentRecords:
    """The most recent records of a partition: how many, and how many of them were rejected."""

    size: int
    records: int = 0
    bad: int = 0
    batches: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, records: int, bad: int) -> None:
        """Add a batch and drop the oldest batches beyond the size."""
        self.batches.append((records, bad))
        self.records += records
        self.bad += bad
        while self.records - self.batches[0][0] >= self.size:
            first_records, first_bad = self.batches.popleft()
            self.records -= first_records
            self.bad -= first_bad

    @property
    def full(self) -> bool:
        """Whether there are enough records to decide."""
        return self.records >= self.size


class Pauses:
    """The pauses of the partitions assigned to a worker; partitions without a rejected record cost nothing."""

    def __init__(self, settings: WorkSettings) -> None:
        self._settings = settings
        self._recent: dict[Partition, RecentRecords] = {}
        # When each paused partition is probed again, by the monotonic clock.
        self._paused: dict[Partition, float] = {}
        # The next batch of these decides whether they stay paused.
        self._probed: set[Partition] = set()
        self._released: set[Partition] = set()

    def __len__(self) -> int:
        return len(self._paused) + len(self._probed)

    def load(self, connection: Connection, assigned: Collection[Partition], not_fetched: Collection[Partition]) -> None:
        """Read which partitions are paused or released.

        Those that are fetched, because they were paused by other workers or were away meanwhile, are probed now.
        """
        known = {pause.partition: pause for pause in pauses(connection) if pause.partition in assigned}
        self._released = {each for each, pause in known.items() if pause.released_at}
        self._paused = {each: at for each, at in self._paused.items() if each in known and each in not_fetched}
        self._probed = known.keys() - self._paused.keys() - self._released
        self._recent = {each: recent for each, recent in self._recent.items() if each in assigned}

    def partitions_to_pause(self, connection: Connection, batch: Batch) -> list[Partition]:
        """Note the records of a batch that was counted; return the partitions to pause now."""
        bad = Counter(each.place[:2] for each in batch.dead_letters)
        if not (bad or self._recent or self._probed or self._released):
            return []
        found = [(each, covered.records, bad[each]) for each, covered in batch.ranges.items() if covered.records]
        return [each for each, records, rejected in found if self._must_pause(connection, each, records, rejected)]

    def _must_pause(self, connection: Connection, partition: Partition, records: int, bad: int) -> bool:
        """Note the records of a batch and return whether their partition was paused because of them."""
        if partition in self._probed:
            recent = RecentRecords(1, records, bad)
        elif bad or partition in self._recent or partition in self._released:
            recent = self._recent.setdefault(partition, RecentRecords(self._settings.processor_pause_window_records))
            recent.add(records, bad)
        else:
            return False
        if not recent.bad:
            self._recent.pop(partition, None)
        if not recent.full or partition in self._paused:
            return False
        if recent.bad * 100 <= recent.records * self._settings.processor_pause_bad_percent:
            self._end(connection, partition)
            return False
        return partition not in self._released and self._pause(connection, partition, recent)

    def _pause(self, connection: Connection, partition: Partition, recent: RecentRecords) -> bool:
        counts = {"records": recent.records, "bad": recent.bad}
        connection.execute(SQL.pause, {**as_fields(partition), **counts})
        if partition not in self._probed:
            logger().error(
                "partition paused: most of its records are rejected",
                **as_fields(partition),
                records=recent.records,
                rejected_records=recent.bad,
            )
        self._recent.pop(partition, None)
        self._probed.discard(partition)
        self._paused[partition] = time.monotonic() + self._settings.processor_pause_probe_seconds
        return True

    def _end(self, connection: Connection, partition: Partition) -> None:
        if partition in self._probed or partition in self._released:
            connection.execute(SQL.end_pause, as_fields(partition))
            self._probed.discard(partition)
            self._released.discard(partition)
            logger().info("partition no longer paused: most of its records can be counted", **as_fields(partition))

    def partitions_to_resume(self, connection: Connection) -> list[Partition]:
        """Return the paused partitions to read again: those due for a probe, and those that an operator released."""
        if not self._paused:
            return []
        released = {pause.partition for pause in pauses(connection) if pause.released_at}
        now = time.monotonic()
        found = [each for each, due_at in self._paused.items() if now >= due_at or each in released]
        for partition in found:
            del self._paused[partition]
            (self._released if partition in released else self._probed).add(partition)
        return found


def pauses(connection: Connection) -> list[Pause]:
    """List the paused partitions, and the released ones whose records are still rejected. Raises psycopg.Error."""
    return [Pause((topic, partition), *rest) for topic, partition, *rest in connection.execute(SQL.list_pauses)]


def release(connection: Connection, partitions: Sequence[Partition], origin: Origin) -> list[Partition]:
    """Release paused partitions, all of them if none is given; return which. Raises psycopg.Error."""
    parameters = {"topics": [topic for topic, _ in partitions], "partitions": [number for _, number in partitions]}
    with connection.transaction():
        released = [(topic, number) for topic, number in connection.execute(SQL.release, parameters)]
        for topic, number in released:
            entry = Action("ResumePartitions", f"{topic}/{number}", {"paused": True}, {"paused": False})
            record(connection, origin, entry)
    return released


def parse_partition(text: str) -> Partition:
    """Parse the name of a partition. Raises ValueError."""
    topic, _, number = text.partition("/")
    if not topic or not number.isdecimal():
        raise ValueError(f"{text!r} must be topic/partition, such as order-events/3")
    return topic, int(number)


def as_fields(partition: Partition) -> dict[str, Any]:
    """Return a partition as the fields of a log line or the parameters of a query."""
    return {"topic": partition[0], "partition": partition[1]}
