"""Classifies PostgreSQL errors: whether to retry, whether to close the connection, and the status for the client.

https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest listed prefix of a code applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class Retry(Enum):
    """When the same work may succeed."""

    # The transaction lost a conflict with another one, which has ended by now.
    IMMEDIATELY = "immediately"
    # A condition outside has to change: the server restarts, a lock is released, disk space is freed.
    LATER = "later"
    NEVER = "never"


class ClientError(Enum):
    """The gRPC status for the client."""

    # UNAVAILABLE with a retry delay: nothing was changed.
    UNAVAILABLE = "unavailable"
    # RESOURCE_EXHAUSTED with a retry delay: the database is busy or contended. Nothing was changed.
    OVERLOADED = "overloaded"
    # INTERNAL: a fault of the program or of the schema.
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """How an error is handled."""

    retry: Retry
    client_error: ClientError
    # The connection is broken, or leads to the wrong server: close it, so that a new one is opened.
    drops_connection: bool = False
    # After this error in response to COMMIT, or to a statement in autocommit mode, the outcome is unknown.
    # Any other error in response to it means that the transaction was rolled back.
    leaves_outcome_unknown: bool = False
    # All existing connections lead to the wrong server.
    wrong_server: bool = False
    # The values of this row or statement are invalid; other rows of the batch may be valid.
    rejects_row: bool = False


LOST = ErrorClass(Retry.LATER, ClientError.UNAVAILABLE, drops_connection=True, leaves_outcome_unknown=True)
ELSEWHERE = ErrorClass(Retry.LATER, ClientError.UNAVAILABLE, drops_connection=True)
STANDBY = ErrorClass(Retry.LATER, ClientError.UNAVAILABLE, drops_connection=True, wrong_server=True)
SHORT = ErrorClass(Retry.LATER, ClientError.UNAVAILABLE)
BUSY = ErrorClass(Retry.LATER, ClientError.OVERLOADED)
CONFLICT = ErrorClass(Retry.IMMEDIATELY, ClientError.OVERLOADED)
STALE = ErrorClass(Retry.IMMEDIATELY, ClientError.INTERNAL, drops_connection=True)
ROW = ErrorClass(Retry.NEVER, ClientError.INTERNAL, rejects_row=True)
FAULT = ErrorClass(Retry.NEVER, ClientError.INTERNAL)
BROKEN = ErrorClass(Retry.LATER, ClientError.INTERNAL, drops_connection=True, leaves_outcome_unknown=True)

TABLE: dict[str, ErrorClass] = {
    "08": LOST,  # connection exception
    "0A000": STALE,  # feature not supported: a prepared statement whose table was changed by a migration
    "22": ROW,  # data exception
    "23": ROW,  # integrity constraint violation
    "25006": STANDBY,  # read-only transaction: the server is now a standby
    "25P03": LOST,  # idle-in-transaction timeout: the server ended the session
    "25P04": LOST,  # transaction timeout: the same
    "26000": STALE,  # invalid statement name: a pooler assigned another session
    "28": ELSEWHERE,  # invalid authorization: credentials are being rotated
    "40": CONFLICT,  # transaction rollback: deadlock, serialization failure
    "40003": LOST,  # statement completion unknown
    "42P05": STALE,  # duplicate prepared statement: as 26000
    "53": SHORT,  # insufficient resources: disk, memory, connections
    "53300": ELSEWHERE,  # too many connections
    "54": ROW,  # program limit exceeded
    "55006": BUSY,  # object in use
    "55P03": BUSY,  # lock not available
    "57": LOST,  # operator intervention: shutdown, crash, a database that is starting or was dropped
    "57014": BUSY,  # query canceled, as by statement_timeout
    "58": LOST,  # system error outside PostgreSQL: I/O
    "F0": BROKEN,  # configuration file error
    "XX": BROKEN,  # internal error, corrupted data
}
PREFIX_LENGTHS = (5, 2)


class PoolBusy(PoolTimeout):
    """All connections of a pool are in use, and the database answers."""


def classify(error: BaseException) -> ErrorClass:
    """Return the class of an error; one that is not from the database is an internal fault."""
    if not isinstance(error, psycopg.Error):
        return FAULT
    found = of_code(error.sqlstate) if error.sqlstate else without_code(error)
    # FATAL and PANIC end the session, whatever the code.
    ended = getattr(error.diag, "severity_nonlocalized", None) in ("FATAL", "PANIC")
    return LOST if ended and found.client_error is not ClientError.INTERNAL else found


def of_code(sqlstate: str) -> ErrorClass:
    """Return the class of a SQLSTATE."""
    return next((TABLE[sqlstate[:n]] for n in PREFIX_LENGTHS if sqlstate[:n] in TABLE), FAULT)


def without_code(error: psycopg.Error) -> ErrorClass:
    """Return the class of an error of the client library: connection failure or invalid value."""
    if isinstance(error, (PoolBusy, TooManyRequests)):
        return BUSY
    if isinstance(error, (PoolTimeout, PoolClosed)):
        return SHORT
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return LOST
    return ROW if isinstance(error, psycopg.DataError) else FAULT
