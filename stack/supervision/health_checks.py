"""Health checks of servers and services: any error counts as no answer."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

from runtime.process import heartbeat
from stack.machine.grpc_probe import target_serves
from stack.machine.http_probe import CHECK_SECONDS, PROBE_SECONDS, http_get
from stack.machine.ports import LOOPBACK
from stack.supervision.status import State

CORRELATION_ID = 1
CheckResult = tuple[State, str]
HEALTH = {
    heartbeat.UP: State.READY,
    heartbeat.STARTING: State.STARTING,
    heartbeat.DEGRADED: State.DEGRADED,
    heartbeat.DRAINING: State.DRAINING,
    heartbeat.CRASH_LOOPING: State.CRASH_LOOPING,
}


def accepts(path: Path) -> bool:
    """Return whether a server listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PROBE_SECONDS)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def grpc_serves(path: Path) -> bool:
    """Return whether the gRPC server on a Unix socket is SERVING."""
    return accepts(path) and target_serves(f"unix:{path}")


def service_health(port: int) -> CheckResult:
    """Return the state that one of our services reports at /health of its metrics port."""
    answer = http_get(port, "/health", CHECK_SECONDS)
    try:
        known = json.loads(answer[1] if answer is not None else b"")
        return HEALTH[known["state"]], str(known["detail"])
    except (ValueError, KeyError, TypeError):
        return State.UNRESPONSIVE, f"no answer within {CHECK_SECONDS:g} s"


def answer_state(answers: bool) -> CheckResult:
    """Return the state of a server by whether it answers."""
    return (State.READY, "") if answers else (State.UNRESPONSIVE, f"no answer within {CHECK_SECONDS:g} s")


def kafka_answers(port: int) -> bool:
    """Return whether a broker on a loopback port answers a request for its API versions (ApiVersions, version 0)."""
    request = struct.pack(">hhih", 18, 0, CORRELATION_ID, -1)
    try:
        with socket.create_connection((LOOPBACK, port), CHECK_SECONDS) as client:
            client.sendall(struct.pack(">i", len(request)) + request)
            head = client.recv(8, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(head) == 8 and struct.unpack(">ii", head)[1] == CORRELATION_ID
