"""What an error of PostgreSQL means: whether to try again, keep the connection, and what the client is told. One table.

https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest prefix of a code that is listed counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class Retry(Enum):
    """When the same work may succeed."""

    # It lost against another transaction, which has ended by now.
    AT_ONCE = "at once"
    # Something has to change outside: a server comes back, a lock is given up, a disk is emptied.
    LATER = "later"
    NEVER = "never"


class Told(Enum):
    """What the client is told."""

    # UNAVAILABLE with the delay after which to try again: nothing was changed.
    UNAVAILABLE = "unavailable"
    # RESOURCE_EXHAUSTED with a delay: the database answers, but others were in the way. Nothing was changed.
    OVERLOADED = "overloaded"
    # INTERNAL: a fault of the program or of the schema.
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means for the one who gets it."""

    retry: Retry
    told: Told
    # The connection is gone, or is to the wrong server: close it, and let the next one find a better.
    drops_connection: bool = False
    # An error in answer to COMMIT, or to a statement that commits by itself, leaves open whether it happened.
    # Any other error in answer to it means that the transaction was rolled back.
    leaves_commit_open: bool = False
    # Every connection that was made before leads to this wrong server.
    wrong_server: bool = False
    # The values of this row or statement are refused: its neighbours in a batch may be fine.
    blames_row: bool = False


LOST = Meaning(Retry.LATER, Told.UNAVAILABLE, drops_connection=True, leaves_commit_open=True)
ELSEWHERE = Meaning(Retry.LATER, Told.UNAVAILABLE, drops_connection=True)
STANDBY = Meaning(Retry.LATER, Told.UNAVAILABLE, drops_connection=True, wrong_server=True)
SHORT = Meaning(Retry.LATER, Told.UNAVAILABLE)
BUSY = Meaning(Retry.LATER, Told.OVERLOADED)
CONFLICT = Meaning(Retry.AT_ONCE, Told.OVERLOADED)
STALE = Meaning(Retry.AT_ONCE, Told.INTERNAL, drops_connection=True)
ROW = Meaning(Retry.NEVER, Told.INTERNAL, blames_row=True)
FAULT = Meaning(Retry.NEVER, Told.INTERNAL)
BROKEN = Meaning(Retry.LATER, Told.INTERNAL, drops_connection=True, leaves_commit_open=True)

TABLE: dict[str, Meaning] = {
    "08": LOST,  # connection exception
    "0A000": STALE,  # feature not supported: a prepared statement whose table was changed by a migration
    "22": ROW,  # data exception
    "23": ROW,  # integrity constraint violation
    "25006": STANDBY,  # read-only transaction: this server is a standby now
    "25P03": LOST,  # idle in transaction for too long: the server ended the session
    "25P04": LOST,  # transaction for too long: the same
    "26000": STALE,  # invalid statement name: a pooler gave us another session
    "28": ELSEWHERE,  # invalid authorization: passwords are being changed
    "40": CONFLICT,  # transaction rollback: deadlock, serialization failure
    "40003": LOST,  # statement completion unknown
    "42P05": STALE,  # duplicate prepared statement: as 26000
    "53": SHORT,  # insufficient resources: disk, memory, connections
    "53300": ELSEWHERE,  # too many connections
    "54": ROW,  # program limit exceeded
    "55006": BUSY,  # object in use
    "55P03": BUSY,  # lock not available
    "57": LOST,  # operator intervention: shutdown, crash, a database that starts or is dropped
    "57014": BUSY,  # query canceled, as by statement_timeout
    "58": LOST,  # system error outside of PostgreSQL: input and output
    "F0": BROKEN,  # configuration file error
    "XX": BROKEN,  # internal error, corrupted data
}
PREFIX_LENGTHS = (5, 2)


class PoolBusy(PoolTimeout):
    """All connections of a pool are in use, and the database answers."""


def meaning(error: BaseException) -> Meaning:
    """Return what an error means; one that is not the database's is a fault of ours."""
    if not isinstance(error, psycopg.Error):
        return FAULT
    found = of_code(error.sqlstate) if error.sqlstate else without_code(error)
    # FATAL and PANIC end the session, whatever the code.
    ended = getattr(error.diag, "severity_nonlocalized", None) in ("FATAL", "PANIC")
    return LOST if ended and found.told is not Told.INTERNAL else found


def of_code(sqlstate: str) -> Meaning:
    """Return what a code means."""
    return next((TABLE[sqlstate[:n]] for n in PREFIX_LENGTHS if sqlstate[:n] in TABLE), FAULT)


def without_code(error: psycopg.Error) -> Meaning:
    """Return what an error of the client's library means: no connection, or a wrong value."""
    if isinstance(error, (PoolBusy, TooManyRequests)):
        return BUSY
    if isinstance(error, (PoolTimeout, PoolClosed)):
        return SHORT
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return LOST
    return ROW if isinstance(error, psycopg.DataError) else FAULT
