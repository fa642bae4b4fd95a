"""Runs queries on a real database and on the simulated one, and compares what they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from simulated.postgres.connection import Handler
from simulated.postgres.database import Database, Transaction


class SideBySide:
    """A connection to the real database, and a transaction of the simulated one."""

    def __init__(self, real: psycopg.Connection, database: Database, handlers: Mapping[str, Handler]) -> None:
        self._real, self._database, self._handlers = real, database, handlers
        self._simulated: Transaction | None = None

    @contextmanager
    def transaction(self, *, commits: bool = True) -> Iterator[None]:
        """Run a transaction on both."""
        self._simulated = simulated = Transaction(self._database)
        try:
            with self._real.transaction(force_rollback=not commits):
                yield
            if commits:
                simulated.commit()
        finally:
            simulated.roll_back()
            self._simulated = None

    def changes(self, table: str) -> dict[Any, Any]:
        """Return what the open transaction has written to a table of the simulated database."""
        assert self._simulated is not None
        return self._simulated.changes(table)

    def execute(self, query: str, parameters: Any, columns: slice = slice(None)) -> list[tuple[Any, ...]]:
        """Execute a query on both, compare these columns of the rows in any order, and return those of the real one.

        Raises psycopg.Error when both do.
        """
        assert self._simulated is not None
        try:
            rows = [tuple(map(plain, row)) for row in results(self._real.execute(query, parameters))]
        except psycopg.Error as error:
            with suppress(type(error)):
                self._handlers[query](self._simulated, parameters)
                raise AssertionError(f"only the real database refused {query[:60]}") from error
            raise
        simulated = [tuple(map(plain, row)) for row in self._handlers[query](self._simulated, parameters)]
        assert sorted(row[columns] for row in rows) == sorted(row[columns] for row in simulated), query[:60]
        return rows


def results(cursor: psycopg.Cursor) -> list[Any]:
    """Return the rows, none of a statement that returns none."""
    return cursor.fetchall() if cursor.description else []


def plain(value: Any) -> Any:
    """Return a value in the form in which both have it."""
    return bytes(value) if isinstance(value, memoryview) else None if value == "" else value
