"""Entries that wait for the database: of commands that change files, which also work while no database runs.

An entry is durable before its command changes anything, and is in the audit log once, however often it is moved. One of
a command that was killed or met a full disk stays, although it may have changed nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from runtime.audit.entries import SQL, Action, Origin, parameters
from runtime.postgres.connection_types import Connection


class Spool:
    """A private file of entries, one document of JSON in a line. Processes take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def recording(self, origin: Origin, action: Action) -> Iterator[None]:
        """Append an entry, and let the body make the change; a refusal, which changes nothing, removes the entry."""
        # The request id of a command is what tells its entry from others.
        own = {"at": datetime.now(UTC).isoformat(), "request_id": f"command-{uuid.uuid4()}"}
        with self._locked() as descriptor:
            before = whole_lines(descriptor)
            write(descriptor, before + json.dumps(parameters(origin, action) | own).encode() + b"\n", len(before))
            try:
                yield
            except OSError:
                raise
            except Exception:
                write(descriptor, before, len(before))
                raise

    def move(self, connection: Connection) -> None:
        """Move all entries into the audit log. The connection must be the owner's. Raises psycopg.Error."""
        if not self._path.exists():
            return
        with self._locked() as descriptor:
            with connection.transaction():
                for line in whole_lines(descriptor).splitlines():
                    connection.execute(SQL.insert_spooled_entry, json.loads(line))
            write(descriptor, b"", 0)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sync_folder(self._path.parent)
            yield descriptor
        finally:
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def whole_lines(descriptor: int) -> bytes:
    """Return the lines of a file, without one that was being written at a crash: nothing was changed after it."""
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return content[: content.rfind(b"\n") + 1]


def write(descriptor: int, content: bytes, kept: int) -> None:
    """Make `content` the content of a file, durably. The first `kept` bytes of it are there."""
    os.ftruncate(descriptor, kept)
    while kept < len(content):
        kept += os.pwrite(descriptor, content[kept:], kept)
    os.fsync(descriptor)
