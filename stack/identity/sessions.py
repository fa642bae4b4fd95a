"""Sessions of the dashboard: made by the process that runs the stack, for the gateway and for `ordermesh open`.

`up` and `open` show a link with a code, which is valid once and for minutes. The gateway exchanges it for a session,
which the browser keeps as a cookie. Codes and sessions are in memory only: a session is an API key or a token with a
limited lifetime, and ends with the stack.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

# In the folder of sockets.
COMMANDS_SOCKET, GATEWAY_SOCKET = "commands.sock", "sessions.sock"
CODE_BYTES = 32
CODE_SECONDS = 300.0
# How soon a server ends that is closed.
POLL_SECONDS = 0.05
SESSION_SECONDS = 12 * 3600
# Codes and sessions that were not used are forgotten, the oldest first.
MAX_CODES = 100
MAX_SESSIONS = 100
MAX_LINE_BYTES = 4096


class Credentials(Protocol):
    """Makes and ends what the front proxy accepts as a session."""

    def create(self, lifetime_seconds: float) -> str:
        """Return a new credential of an operator."""

    def end(self, credential: str) -> None:
        """End a credential as far as that is possible before its time."""

    def revocations(self) -> int:
        """Return how often credentials of anybody ended before their time."""


class Sessions:
    """The codes and sessions of one run of a stack. All methods may be called from any thread."""

    def __init__(
        self,
        credentials: Credentials,
        now: Callable[[], float] = time.monotonic,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._credentials = credentials
        self._on_begin = on_begin
        self._now = now
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._open: list[str] = []

    def code(self) -> str:
        """Return a new code, which opens one session within CODE_SECONDS."""
        made = secrets.token_urlsafe(CODE_BYTES)
        with self._lock:
            self._codes[made] = self._now() + CODE_SECONDS
            while len(self._codes) > MAX_CODES:
                del self._codes[next(iter(self._codes))]
        return made

    def begin(self, code: str) -> str:
        """Return a new session for a code, empty if it is unknown, used or too old."""
        with self._lock:
            until = self._codes.pop(code, None)
            if until is None or until < self._now():
                return ""
            made = self._credentials.create(SESSION_SECONDS)
            self._open.append(made)
            while len(self._open) > MAX_SESSIONS:
                self._credentials.end(self._open.pop(0))
        # Apart: it may wait for a database, and the gateway for its answer.
        threading.Thread(target=self._on_begin, name="session-begun", daemon=True).start()
        return made

    def end(self, session: str) -> None:
        """End a session; one that was not made here is left alone."""
        with self._lock:
            if session in self._open:
                self._open.remove(session)
                self._credentials.end(session)

    def revocations(self) -> int:
        """Return how often credentials of anybody ended before their time."""
        return self._credentials.revocations()

    def end_all(self) -> None:
        """End all sessions and codes."""
        with self._lock:
            self._codes.clear()
            while self._open:
                self._credentials.end(self._open.pop())


class SessionServer:
    """Answers on two Unix sockets, one line for one: codes for the commands, sessions for the gateway.

    A service that was taken over must not be able to open a session. The sockets differ in who may connect, and the
    services have one account: of them, only the process of the gateway is answered.
    """

    def __init__(
        self,
        sessions: Sessions,
        commands: Path,
        gateway: Path,
        gateway_owner: tuple[int, int] | None,
        gateway_pid: Callable[[], int | None],
    ) -> None:
        self._sessions = sessions
        self._servers = [
            listening(commands, self._answer_command, None, lambda pid: True),
            listening(gateway, self._answer_gateway, gateway_owner, lambda pid: pid == gateway_pid()),
        ]

    def close(self) -> None:
        """End all sessions and close the sockets."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._sessions.end_all()

    def _answer_command(self, words: list[str]) -> str:
        return self._sessions.code() if words == ["code"] else ""

    def _answer_gateway(self, words: list[str]) -> str:
        if len(words) == 2 and words[0] == "begin":
            made = self._sessions.begin(words[1])
            return f"{made} {SESSION_SECONDS}" if made else ""
        if len(words) == 2 and words[0] == "end":
            self._sessions.end(words[1])
        return str(self._sessions.revocations()) if words == ["revocations"] else ""


def listening(
    path: Path,
    answer: Callable[[list[str]], str],
    owner: tuple[int, int] | None,
    answers: Callable[[int], bool],
) -> socketserver.ThreadingUnixStreamServer:
    """Return a server that answers lines on a socket which only its owner may use; it runs in a thread.

    `answers` tells by the pid of the process that connected whether it is answered.
    """

    class Handler(socketserver.StreamRequestHandler):
        timeout = 5

        def handle(self) -> None:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if not answers(peer_pid(self.connection)):
                    return
                line = self.rfile.readline(MAX_LINE_BYTES).decode("ascii")
                self.wfile.write(f"{answer(line.split())}\n".encode())

    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    finally:
        os.umask(before)
    server.daemon_threads = True
    if owner is not None:
        # Not through a link.
        os.chown(path, *owner, follow_symlinks=False)
    threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name=path.stem, daemon=True).start()
    return server


def peer_pid(connection: socket.socket) -> int:
    """Return the pid of the process that connected, as the kernel recorded it then."""
    # struct ucred: pid, uid, gid.
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", packed)[0]
    return pid
