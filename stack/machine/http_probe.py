"""HTTP probes of servers on a loopback port or a Unix socket: any error counts as no answer."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from stack.machine.ports import LOOPBACK

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
PROBE_SECONDS = 1.0
# For components that were ready before: longer, to tolerate a busy machine.
CHECK_SECONDS = 2.0


class SocketConnection(http.client.HTTPConnection):
    """A connection to the server on a Unix socket."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def connection_to(
    server: int | Path, timeout_seconds: float, tls: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    """Return a connection to the server on a loopback port or a Unix socket, not opened yet."""
    if isinstance(server, Path):
        return SocketConnection(server, timeout_seconds)
    if tls is not None:
        return http.client.HTTPSConnection(LOOPBACK, server, timeout=timeout_seconds, context=tls)
    return http.client.HTTPConnection(LOOPBACK, server, timeout=timeout_seconds)


def http_get(
    server: int | Path,
    path: str,
    timeout_seconds: float,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] = NO_HEADERS,
) -> tuple[int, bytes] | None:
    """Return status and body of GET path on a loopback port or Unix socket, None without an answer."""
    connection = connection_to(server, timeout_seconds, tls)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def http_status(server: int | Path, path: str, tls: ssl.SSLContext | None = None) -> int | None:
    """Return the status of GET path on a loopback port or Unix socket, None without an answer."""
    answer = http_get(server, path, CHECK_SECONDS, tls)
    return None if answer is None else answer[0]


def http_answers(
    server: int | Path,
    path: str,
    timeout_seconds: float = PROBE_SECONDS,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] = NO_HEADERS,
) -> bool:
    """Return whether GET path on a loopback port or Unix socket answers 200."""
    answer = http_get(server, path, timeout_seconds, tls, headers)
    return answer is not None and answer[0] == http.client.OK
