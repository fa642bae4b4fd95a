"""A database with transactions as PostgreSQL's READ COMMITTED: row locks, unique keys, late commits, deadlocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

import psycopg

from simulated.scheduler import Scheduler

Row = dict[str, Any]
Key = tuple[str, Hashable]
LOCK_TIMEOUT_SECONDS = 3.0


class Database:
    """The committed rows of tables, the locks, and the running transactions."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.tables: defaultdict[str, dict[Any, Row]] = defaultdict(dict)
        # Of a table, the keys in the order in which they were committed.
        self.commit_order: defaultdict[str, list[Any]] = defaultdict(list)
        self.locks: dict[Key, Transaction] = {}
        self.running: set[Transaction] = set()
        self.next_xid = 1
        self._next_id = 0

    def next_id(self) -> int:
        """Return the next number of the sequence, which no rollback returns."""
        self._next_id += 1
        return self._next_id

    @property
    def now_us(self) -> int:
        """The database's clock, in microseconds since 1970."""
        return 1_700_000_000_000_000 + int(self.scheduler.now * 1_000_000)

    @property
    def oldest_xid(self) -> int:
        """The lowest number of a running transaction, else the next one."""
        return min((each.xid for each in self.running if each.xid), default=self.next_xid)


class Transaction:
    """A transaction: its changes are invisible to others until it is committed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.xid = 0
        self.ended = False
        self.waits_for: Transaction | None = None
        self._writes: dict[str, dict[Any, Row | None]] = {}
        self._locked: list[Key] = []
        database.running.add(self)

    def get(self, table: str, key: Hashable) -> Row | None:
        """Return a row as this transaction sees it now."""
        own = self._writes.get(table)
        return own[key] if own is not None and key in own else self.database.tables[table].get(key)

    def rows(self, table: str) -> Iterator[tuple[Any, Row]]:
        """Yield the rows of a table as this transaction sees them now."""
        own = self._writes.get(table, {})
        for key, row in self.database.tables[table].items():
            if key not in own:
                yield key, row
        for key, changed in own.items():
            if changed is not None:
                yield key, changed

    def put(self, table: str, key: Hashable, row: Row | None) -> None:
        """Write a row, or delete it; the caller has locked it."""
        self.number()
        self._writes.setdefault(table, {})[key] = row

    def changes(self, table: str) -> dict[Any, Row | None]:
        """Return what this transaction has written to a table."""
        return self._writes.get(table, {})

    def number(self) -> int:
        """Return the number of this transaction, which it gets with its first change."""
        if not self.xid:
            self.xid = self.database.next_xid
            self.database.next_xid += 1
        return self.xid

    def is_locked(self, table: str, key: Hashable) -> bool:
        """Return whether another transaction has locked a row."""
        return self.database.locks.get((table, key), self) is not self

    def lock(self, table: str, key: Hashable) -> None:
        """Lock a row or a key, after the transaction that has locked it. Raises psycopg.Error."""
        if self.ended:
            raise psycopg.OperationalError("the session was ended")
        place = (table, key)
        locks = self.database.locks
        if locks.get(place) is not self:
            while place in locks:
                self._wait_for(place)
            locks[place] = self
            self._locked.append(place)
        self.number()

    def _wait_for(self, place: Key) -> None:
        holder = self.database.locks[place]
        waiter: Transaction | None = holder
        while waiter is not None:
            if waiter is self:
                raise psycopg.errors.DeadlockDetected("deadlock detected")
            waiter = waiter.waits_for
        self.waits_for = holder
        try:
            free = self.database.scheduler.wait(lambda: holder.ended or self.ended, LOCK_TIMEOUT_SECONDS)
        finally:
            self.waits_for = None
        if self.ended:
            raise psycopg.OperationalError("the session was ended")
        if not free:
            raise psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")

    def commit(self) -> None:
        """Make the changes visible."""
        for table, rows in self._writes.items():
            committed = self.database.tables[table]
            order = self.database.commit_order[table]
            for key, row in rows.items():
                if row is None:
                    committed.pop(key, None)
                    continue
                if key not in committed:
                    order.append(key)
                committed[key] = row
        self.roll_back()

    def roll_back(self) -> None:
        """End the transaction and release its locks."""
        if not self.ended:
            self.ended = True
            self._writes = {}
            self.database.running.discard(self)
            for place in self._locked:
                del self.database.locks[place]
