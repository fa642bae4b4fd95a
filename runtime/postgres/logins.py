"""Logs in to PostgreSQL with a password that is replaced in its file while programs run.

The server knows one password of a role at a time. So both are tried: the one that was accepted before, and that of the
file once that is another. No connection fails if the file is replaced first and the role gets the password afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import psycopg

from runtime.settings import FILE_SUFFIX, PREFIX

PASSWORD_FILE = f"{PREFIX}POSTGRES_PASSWORD{FILE_SUFFIX}"


class Logins:
    """The password of this process: by default the one in the URI, as the settings read it at the start."""

    def __init__(self) -> None:
        self._accepted: str | None = None
        self._known = read_file()

    def accepted(self) -> dict[str, Any]:
        """Return the argument of a connection for the password that was accepted last, none for that of the URI."""
        return {} if self._accepted is None else {"password": self._accepted}

    def replaced(self) -> str | None:
        """Return the password of the file if it is another one than was accepted last, else None."""
        password = read_file()
        return None if password == (self._accepted or self._known) else password

    def accept(self, password: str) -> None:
        """Begin with this password from now on."""
        self._accepted = password


def read_file() -> str | None:
    """Return the password in the file of the settings, None without one or while it cannot be read."""
    path = os.environ.get(PASSWORD_FILE)
    try:
        return Path(path).read_text().rstrip("\n") if path else None
    except (OSError, UnicodeError):
        return None


LOGINS = Logins()


class LoggedIn(psycopg.Connection[Any]):
    """A connection that is made with either password."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect as psycopg does. Raises psycopg.OperationalError."""
        try:
            return super().connect(conninfo, **options, **LOGINS.accepted())
        except psycopg.OperationalError:
            if (password := LOGINS.replaced()) is None:
                raise
        made = super().connect(conninfo, **options, password=password)
        LOGINS.accept(password)
        return made


class AsyncLoggedIn(psycopg.AsyncConnection[Any]):
    """A connection of an event loop that is made with either password."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect as psycopg does. Raises psycopg.OperationalError."""
        try:
            return await super().connect(conninfo, **options, **LOGINS.accepted())
        except psycopg.OperationalError:
            if (password := LOGINS.replaced()) is None:
                raise
        made = await super().connect(conninfo, **options, password=password)
        LOGINS.accept(password)
        return made
