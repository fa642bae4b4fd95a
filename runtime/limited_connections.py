"""Limits the connections of an asyncio server: how many there are, and how long one may last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class ConnectionLimits:
    """Makes the protocols of a server's connections.

    When there are as many as allowed, the oldest makes way for a new one: what is held open cannot lock others out.
    """

    def __init__(self, inner: Callable[[], asyncio.Protocol], most: int, seconds: float) -> None:
        self._inner = inner
        self._most = most
        self._seconds = seconds
        self._open: dict[asyncio.Protocol, asyncio.Transport] = {}

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return LimitedConnection(self._inner(), self)

    def opened(self, connection: LimitedConnection, transport: asyncio.Transport) -> asyncio.TimerHandle:
        """Count a connection; return the timer that ends it."""
        if len(self._open) >= self._most:
            oldest = next(iter(self._open))
            self._open.pop(oldest).abort()
        self._open[connection] = transport
        return asyncio.get_running_loop().call_later(self._seconds, transport.abort)

    def closed(self, connection: LimitedConnection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)


class LimitedConnection(asyncio.Protocol):
    """Passes the events of one connection on to the protocol of the server."""

    def __init__(self, inner: asyncio.Protocol, limits: ConnectionLimits) -> None:
        self._inner = inner
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and begin."""
        self._timer = self._limits.opened(self, cast(asyncio.Transport, transport))
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and end."""
        if self._timer is not None:
            self._timer.cancel()
        self._limits.closed(self)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing more will arrive."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._inner.resume_writing()
