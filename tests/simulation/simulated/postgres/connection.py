"""Connections to a simulated database, with the methods of psycopg's that the programs call."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from simulated.faults import Faults
from simulated.postgres.database import Database, Transaction

Handler = Callable[[Transaction, Any], list[tuple[Any, ...]]]
IDLE_IN_TRANSACTION_SECONDS = 5.0
SLOW_COMMIT_SECONDS = 6.0


class Cursor:
    """The rows of a result."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = iter(rows)
        self.rowcount = len(rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row."""
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the other rows."""
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


class Status(enum.Enum):
    """As of psycopg.Transaction."""

    ACTIVE = "active"
    COMMITTED = "committed"


class Connection:
    """A session; `handlers` has what each query does."""

    def __init__(self, database: Database, handlers: Mapping[str, Handler], faults: Faults) -> None:
        self._database, self._handlers, self._faults = database, handlers, faults
        self._scheduler = database.scheduler
        self._transaction: Transaction | None = None
        self._used_at = self._scheduler.now
        # The server ended the session; the client notices with its next statement.
        self.ended = self.closed = False
        faults.sessions.append(self)
        self.owner = self._scheduler.current

    def execute(self, query: str, parameters: Any = None, **_: Any) -> Cursor:
        """Execute a query, which commits unless a transaction is open. Raises psycopg.Error."""
        handler = self._handlers.get(query)
        assert handler is not None, f"a query that is not simulated: {query[:80]}"
        self._send()
        transaction = self._transaction or Transaction(self._database)
        try:
            rows = handler(transaction, parameters)
            if transaction is not self._transaction:
                if transaction.xid:
                    self._scheduler.wait()
                self._commit(transaction)
        except BaseException:
            self.closed = self.closed or self.ended
            if transaction is not self._transaction:
                transaction.roll_back()
            raise
        self._receive()
        return Cursor(rows)

    @contextmanager
    def transaction(self) -> Iterator[SimpleNamespace]:
        """Run a transaction."""
        self._send()
        state = SimpleNamespace(Status=Status, status=Status.ACTIVE)
        self._transaction = transaction = Transaction(self._database)
        try:
            yield state
            if not self.closed:
                state.status = Status.COMMITTED
                self._send()
                self._commit(transaction)
                self._receive()
        except Exception as error:
            if not isinstance(error, psycopg.Error):
                self._send()
            transaction.roll_back()
            self._transaction = None
            raise
        # The server does not notice at once that a process was killed.
        self._transaction = None

    def _commit(self, transaction: Transaction) -> None:
        if self._faults.happens("slow commits"):
            self._scheduler.wait(None, self._scheduler.random.random() * SLOW_COMMIT_SECONDS)
        if self.ended or transaction.ended:
            self.closed = True
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        transaction.commit()

    def _send(self) -> None:
        """Let others run before a statement reaches the server."""
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        self._scheduler.wait()
        if self.ended or self._faults.happens("broken connections"):
            self._break()
        self._used_at = self._scheduler.now

    def _receive(self) -> None:
        """Lose the answer of the server, at times; let others run before it arrives."""
        if self._faults.happens("slow answers"):
            self._scheduler.wait()
        if self._faults.happens("lost answers"):
            self._break()

    def _break(self) -> None:
        self.closed = True
        self.end()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def end(self) -> None:
        """End the session at the server, which rolls back."""
        self.ended = True
        if self._transaction is not None:
            self._transaction.roll_back()
        if self in self._faults.sessions:
            self._faults.sessions.remove(self)

    def is_idle_in_transaction(self, now: float) -> bool:
        """Return whether the server ends the session because of its timeout."""
        return self._transaction is not None and now - self._used_at > IDLE_IN_TRANSACTION_SECONDS

    def pipeline(self) -> Any:
        """Return a context without effect."""
        return nullcontext()

    def notifies(self, timeout: float, stop_after: int) -> Iterator[None]:
        """Wait for a notification of new events."""
        known = self._database.commit_order["event_outbox"]
        before = len(known)
        self._send()
        if self._scheduler.wait(lambda: len(known) > before or self.ended, timeout):
            yield None

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self.closed = True
            self.end()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCursor(Cursor):
    """The same, awaited."""

    async def fetchone(self) -> tuple[Any, ...] | None:  # type: ignore[override]
        """Return the next row."""
        return super().fetchone()

    async def fetchall(self) -> list[tuple[Any, ...]]:  # type: ignore[override]
        """Return the other rows."""
        return super().fetchall()

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        for row in self:
            yield row


class AsyncConnection:
    """The same, awaited; no call suspends its coroutine, since the scheduler switches threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.pgconn = self

    @property
    def closed(self) -> bool:
        """Whether the connection is closed or broken."""
        return self._connection.closed

    @property
    def transaction_status(self) -> TransactionStatus:
        """Whether a transaction is open."""
        return TransactionStatus.IDLE if self._connection._transaction is None else TransactionStatus.INTRANS

    async def execute(self, query: str, parameters: Any = None) -> AsyncCursor:
        """Execute a query."""
        return AsyncCursor(self._connection.execute(query, parameters).fetchall())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SimpleNamespace]:
        """Run a transaction."""
        with self._connection.transaction() as state:
            yield state

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Pool:
    """A pool with one connection."""

    max_size = 4

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Yield the connection, a new one if it is closed."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        yield AsyncConnection(self._connection)

    async def answers(self) -> bool:
        """Return that the database answers."""
        return True
