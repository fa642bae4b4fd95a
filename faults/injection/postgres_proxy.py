"""A proxy that reads PostgreSQL's protocol, so that it breaks a connection at one statement and not somewhere.

    with PostgresProxy(("127.0.0.1", port)) as proxy:
        proxy.cut_before(COMMIT)    # the server never gets the statement
        proxy.cut_after(COMMIT)     # the server has done it, the client never hears of it
        proxy.hold_after(COMMIT)    # the same, and the connection stays open and silent

Each fault happens once, at the `number`-th statement that matches; `proxy.struck` is set when it has.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from faults.injection.tcp_proxy import TO_CLIENT, TO_SERVER, Link, Target, TcpProxy

Matches = Callable[[str], bool]
# Protocol numbers of the requests before a startup message, which the server answers with one byte.
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def statement(words: str) -> Matches:
    """Return a predicate for statements that contain these words, whatever the case."""
    return lambda sql: words.lower() in sql.lower()


def COMMIT(sql: str) -> bool:
    """Tell whether a statement is a COMMIT."""
    return sql.strip().upper() == "COMMIT"


def BEGIN(sql: str) -> bool:
    """Tell whether a statement begins a transaction."""
    return sql.strip().upper().startswith("BEGIN")


@dataclass
class Fault:
    """What happens at which statement."""

    matches: Matches
    number: int
    after: bool
    hold: bool


@dataclass
class Session:
    """What is known of one connection: bytes that are no whole message yet, and what its statements are."""

    buffers: dict[str, bytes] = field(default_factory=lambda: {TO_SERVER: b"", TO_CLIENT: b""})
    started: bool = False
    # Bytes that the server sends outside of messages.
    bare_answers: int = 0
    prepared: dict[bytes, str] = field(default_factory=dict)
    portals: dict[bytes, str] = field(default_factory=dict)
    # The server says ReadyForQuery once after the start, and once for each Query and Sync.
    asked: int = 1
    answered: int = 0
    # The fault that strikes at an answer, which one that is, and what came before it meanwhile.
    fault: Fault | None = None
    strikes_at: int = 0
    kept: bytes = b""


class PostgresProxy(TcpProxy):
    """Passes PostgreSQL's messages one by one, and breaks the connection at the statement that is asked for."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.struck = threading.Event()
        self.statements: list[str] = []
        self._fault: Fault | None = None
        self._sessions: WeakKeyDictionary[Link, Session] = WeakKeyDictionary()

    def cut_before(self, matches: Matches, number: int = 1) -> None:
        """Reset the connection instead of passing the statement on."""
        self._arm(Fault(matches, number, after=False, hold=False))

    def cut_after(self, matches: Matches, number: int = 1) -> None:
        """Reset the connection when the server has done the statement, without its answer."""
        self._arm(Fault(matches, number, after=True, hold=False))

    def hold_before(self, matches: Matches, number: int = 1) -> None:
        """Go silent instead of passing the statement on, until `release`."""
        self._arm(Fault(matches, number, after=False, hold=True))

    def hold_after(self, matches: Matches, number: int = 1) -> None:
        """Go silent when the server has done the statement, before its answer passes, until `release`."""
        self._arm(Fault(matches, number, after=True, hold=True))

    def _arm(self, fault: Fault) -> None:
        self.struck.clear()
        self._fault = fault

    async def passed(self, link: Link, direction: str, data: bytes) -> None:
        """Pass whole messages on, one at a time."""
        session = self._sessions.setdefault(link, Session())
        session.buffers[direction] += data
        while message := take_message(session, direction):
            if direction == TO_SERVER:
                await self._to_server(link, session, message)
            else:
                await self._to_client(link, session, message)

    async def _to_server(self, link: Link, session: Session, message: bytes) -> None:
        sql = executed(session, message)
        kind = message[:1] if session.started else b""
        if sql is not None:
            self.statements.append(sql)
            fault = self._due(sql)
            if fault is not None and fault.after:
                session.fault, session.strikes_at = fault, session.asked + 1
            elif fault is not None:
                await self._strike(link, fault)
        session.asked += kind in (b"Q", b"S")
        await super().passed(link, TO_SERVER, message)

    async def _to_client(self, link: Link, session: Session, message: bytes) -> None:
        session.answered += message[:1] == b"Z"
        if session.fault is not None and session.answered >= session.strikes_at - 1:
            session.kept += message
            if session.answered < session.strikes_at:
                return
            fault, message = session.fault, session.kept
            session.fault, session.kept = None, b""
            await self._strike(link, fault)
        await super().passed(link, TO_CLIENT, message)

    def _due(self, sql: str) -> Fault | None:
        fault = self._fault
        if fault is None or not fault.matches(sql):
            return None
        fault.number -= 1
        if fault.number:
            return None
        self._fault = None
        return fault

    async def _strike(self, link: Link, fault: Fault) -> None:
        self.struck.set()
        if fault.hold:
            event = link.held.setdefault(TO_SERVER, asyncio.Event())
            link.held.setdefault(TO_CLIENT, event)
            await event.wait()
        else:
            link.cut()
            raise ConnectionResetError


def take_message(session: Session, direction: str) -> bytes:
    """Take one whole message from what has come, nothing when there is none yet."""
    buffer = session.buffers[direction]
    if direction == TO_CLIENT and session.bare_answers and buffer:
        session.bare_answers -= 1
        length = 1
    else:
        head = 1 if direction == TO_CLIENT or session.started else 0
        if len(buffer) < head + 4:
            return b""
        length = head + struct.unpack_from("!i", buffer, head)[0]
    if len(buffer) < length:
        return b""
    session.buffers[direction] = buffer[length:]
    return buffer[:length]


def executed(session: Session, message: bytes) -> str | None:
    """Return the statement that a message of the client has the server execute, None when it is another message."""
    if not session.started:
        asks_first = struct.unpack_from("!i", message, 4)[0] in (SSL_REQUEST, GSS_REQUEST)
        session.bare_answers += asks_first
        session.started = not asks_first
        return None
    kind, body = message[:1], message[5:]
    if kind == b"Q":
        return body.rstrip(b"\0").decode()
    if kind == b"P":
        name, sql, _ = body.split(b"\0", 2)
        session.prepared[name] = sql.decode()
    elif kind == b"B":
        portal, name, _ = body.split(b"\0", 2)
        session.portals[portal] = session.prepared.get(name, "")
    elif kind == b"E":
        return session.portals.get(body.split(b"\0", 1)[0], "")
    return None
