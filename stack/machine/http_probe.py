"""HTTP probes of servers on loopback: any error counts as no answer."""

from __future__ import annotations

import http.client

from stack.machine.ports import LOOPBACK

PROBE_SECONDS = 1.0
# For components that were ready before: longer, to tolerate a busy machine.
CHECK_SECONDS = 2.0


def http_get(port: int, path: str, timeout_seconds: float) -> tuple[int, bytes] | None:
    """Return status and body of GET path on a loopback port, None without an answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def http_status(port: int, path: str) -> int | None:
    """Return the status of GET path on a loopback port, None without an answer."""
    answer = http_get(port, path, CHECK_SECONDS)
    return None if answer is None else answer[0]


def http_answers(port: int, path: str, timeout_seconds: float = PROBE_SECONDS) -> bool:
    """Return whether GET path on a loopback port answers 200."""
    answer = http_get(port, path, timeout_seconds)
    return answer is not None and answer[0] == http.client.OK
