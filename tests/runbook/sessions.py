"""Sessions of PostgreSQL that hold locks, as somebody leaves them open in a terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import LiteralString

import psycopg
from in_a_thread import in_a_thread


@contextlib.contextmanager
def open_transaction(dsn: str, *statements: LiteralString) -> Iterator[int]:
    """Execute statements, leave the transaction open, and yield the session's pid; it may be ended by others."""
    connection = psycopg.connect(dsn)
    try:
        for statement in statements:
            connection.execute(statement)
        yield connection.info.backend_pid
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.close()


@contextlib.contextmanager
def locked_again_and_again(dsn: str, statement: LiteralString, seconds: float, pause: float) -> Iterator[None]:
    """Hold a lock for a time, release it for a moment, and so on, in one session until it is ended."""

    def hold(over: threading.Event) -> None:
        with contextlib.suppress(psycopg.Error), psycopg.connect(dsn) as connection:
            while not over.is_set():
                connection.execute(statement)
                over.wait(seconds)
                connection.rollback()
                time.sleep(pause)

    with in_a_thread(hold):
        yield
