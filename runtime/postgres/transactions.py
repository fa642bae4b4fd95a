"""Transactions with a known outcome: the only way to commit changes of a database.

A failure before COMMIT is sent raises psycopg.Error: nothing was changed. A failure after it raises OutcomeUnknown when
the transaction may have been committed; an error in the response to COMMIT is a rollback and raises psycopg.Error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, NoReturn, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from runtime.errors import OutcomeUnknown
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.sqlstates import Retry, classify
from runtime.postgres.transaction_span import transaction_span
from runtime.telemetry.logging import logger

MAX_TRIES = 5

Result = TypeVar("Result")


@asynccontextmanager
async def committing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Run a transaction. Raises psycopg.Error when it was not committed, OutcomeUnknown when it may have been."""
    transaction: psycopg.AsyncTransaction | None = None
    try:
        async with connection.transaction() as transaction:
            yield
    except psycopg.Error as error:
        await raise_classified(connection, error, commit_sent=transaction is not None and was_sent(transaction))
    # psycopg skips COMMIT without an error when the connection is broken by then.
    if not was_sent(transaction):
        raise psycopg.OperationalError("the connection was lost before the commit")


def was_sent(transaction: psycopg.AsyncTransaction) -> bool:
    """Return whether COMMIT was sent: psycopg sets COMMITTED immediately before."""
    return transaction.status is transaction.Status.COMMITTED


async def execute(
    connection: AsyncConnection, query: LiteralString, parameters: Mapping[str, object]
) -> psycopg.AsyncCursor[Any]:
    """Execute a statement, in autocommit mode unless a transaction is open; raises like `committing`."""
    if connection.closed:
        raise psycopg.OperationalError("the connection is closed")
    commits = connection.pgconn.transaction_status == TransactionStatus.IDLE
    try:
        return await connection.execute(query, parameters)
    except psycopg.Error as error:
        await raise_classified(connection, error, commit_sent=commits)


async def raise_classified(connection: AsyncConnection, error: psycopg.Error, *, commit_sent: bool) -> NoReturn:
    """Raise OutcomeUnknown or the error itself, and close a connection that cannot be used again."""
    found = classify(error)
    if found.drops_connection:
        await connection.close()
    if commit_sent and found.leaves_outcome_unknown:
        logger().warning("transaction outcome unknown", error=error)
        raise OutcomeUnknown from error
    raise error


async def write(
    pool: AsyncConnectionPool[AsyncConnection], work: Callable[[AsyncConnection], Awaitable[Result]]
) -> Result:
    """Do work in one transaction, retried after conflicts up to MAX_TRIES times; raises like `committing`.

    `work` must not leave anything to do after the commit: such a failure would be reported as if nothing was changed.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return await write_once(pool, work)
        except psycopg.Error as error:
            if classify(error).retry is not Retry.IMMEDIATELY:
                raise
    return await write_once(pool, work)


async def write_once(
    pool: AsyncConnectionPool[AsyncConnection], work: Callable[[AsyncConnection], Awaitable[Result]]
) -> Result:
    """Do work in one transaction; raises like `committing`."""
    try:
        async with pool.connection() as connection:
            with transaction_span(connection):
                async with committing(connection):
                    result = await work(connection)
    except psycopg.Error as error:
        if classify(error).wrong_server:
            # The other connections lead to the same server.
            await pool.drain()
        raise
    return result
