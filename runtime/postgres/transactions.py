"""Writes that know whether they happened: one way to commit for everything that changes a database.

A failure before COMMIT was sent is a psycopg.Error: nothing was changed. One after it that leaves open whether the
server committed is OutcomeUnknown; an error that the server tells in answer to COMMIT is a rollback, a psycopg.Error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, NoReturn, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from runtime.errors import OutcomeUnknown
from runtime.postgres.sqlstates import Retry, meaning
from runtime.telemetry.logging import logger

MAX_TRIES = 5

Connection = psycopg.AsyncConnection[Any]
Result = TypeVar("Result")


@asynccontextmanager
async def committing(connection: Connection) -> AsyncIterator[None]:
    """Run a transaction. Raises psycopg.Error when it was not committed, OutcomeUnknown when perhaps it was."""
    transaction: psycopg.AsyncTransaction | None = None
    try:
        async with connection.transaction() as transaction:
            yield
    except psycopg.Error as error:
        await judge(connection, error, commit_sent=transaction is not None and was_sent(transaction))
    # psycopg leaves out the COMMIT, without an error, when the connection is found broken by then.
    if not was_sent(transaction):
        raise psycopg.OperationalError("the connection was lost before the commit")


def was_sent(transaction: psycopg.AsyncTransaction) -> bool:
    """Tell whether COMMIT was sent: psycopg says COMMITTED from right before that."""
    return transaction.status is transaction.Status.COMMITTED


async def execute(
    connection: Connection, query: LiteralString, parameters: Mapping[str, object]
) -> psycopg.AsyncCursor[Any]:
    """Execute a statement, which commits by itself unless a transaction is open; raises as `committing` does."""
    if connection.closed:
        raise psycopg.OperationalError("the connection is closed")
    commits = connection.pgconn.transaction_status == TransactionStatus.IDLE
    try:
        return await connection.execute(query, parameters)
    except psycopg.Error as error:
        await judge(connection, error, commit_sent=commits)


async def judge(connection: Connection, error: psycopg.Error, *, commit_sent: bool) -> NoReturn:
    """Raise what the error means for the caller, and close a connection that is no use any more."""
    found = meaning(error)
    if found.drops_connection:
        await connection.close()
    if commit_sent and found.leaves_commit_open:
        logger().warning("nobody knows whether a transaction was committed", error=str(error).strip())
        raise OutcomeUnknown from error
    raise error


async def write(pool: AsyncConnectionPool[Connection], work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Do work in one transaction, again when it lost a conflict; raises as `committing` does.

    The result must need nothing after the commit: what fails then is told as if nothing had been changed.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return await write_once(pool, work)
        except psycopg.Error as error:
            if meaning(error).retry is not Retry.AT_ONCE:
                raise
    return await write_once(pool, work)


async def write_once(pool: AsyncConnectionPool[Connection], work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Do work in one transaction; raises as `committing` does."""
    try:
        async with pool.connection() as connection, committing(connection):
            result = await work(connection)
    except psycopg.Error as error:
        if meaning(error).wrong_server:
            # The other connections lead there too.
            await pool.drain()
        raise
    return result
