"""Limits of the connections of an asyncio server, and the metrics endpoint behind them."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from waiting import await_true

from runtime.process import heartbeat
from runtime.process.heartbeat import Health
from runtime.telemetry.metrics import endpoint
from stack.machine import ports

ENDLESS = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-slow: "


@pytest.fixture
def address() -> Iterator[str]:
    place = f"127.0.0.1:{ports.allocate(1)[0]}"
    server = endpoint.serve(place, Health)
    yield place
    server.shutdown()


def connected(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), 10)


def ask(address: str, request: bytes) -> bytes:
    with connected(address) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_half_open_requests_make_no_threads_and_the_oldest_make_way(address: str) -> None:
    before = threading.active_count()
    held = []
    for _ in range(endpoint.MAX_CONNECTIONS * 3):
        held.append(connected(address))
        held[-1].sendall(ENDLESS)
    await_true(lambda: sum(map(ended, held)) >= endpoint.MAX_CONNECTIONS * 2, "the oldest are ended")
    with urllib.request.urlopen(f"http://{address}/health", timeout=10) as reply:
        assert json.loads(reply.read())["state"] == "up"
    assert threading.active_count() <= before + 1
    for each in held:
        each.close()


def test_a_connection_ends_when_its_time_is_over(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "CONNECTION_SECONDS", 0.1)
    place = f"127.0.0.1:{ports.allocate(1)[0]}"
    server = endpoint.serve(place)
    with connected(place) as silent:
        await_true(lambda: ended(silent), "the silent connection is ended")
    server.shutdown()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics", b"200"),
        (b"HEAD /metrics", b"200"),
        (b"GET /metrics?x=1", b"200"),
        (b"GET /health", b"200"),
        (b"GET /other", b"404"),
        (b"POST /metrics", b"405"),
    ],
)
def test_only_what_is_served_is_answered(address: str, request_line: bytes, status: bytes) -> None:
    head, _, body = ask(address, request_line + b" HTTP/1.1\r\nhost: localhost\r\n\r\n").partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert bool(body) == (not request_line.startswith(b"HEAD"))


@pytest.mark.parametrize(
    ("state", "works", "lives"),
    [
        (heartbeat.UP, b"200", b"200"),
        (heartbeat.STARTING, b"503", b"200"),
        (heartbeat.DRAINING, b"503", b"200"),
        (heartbeat.CRASH_LOOPING, b"503", b"200"),
        (heartbeat.DEGRADED, b"503", b"503"),
    ],
)
def test_the_status_of_health_says_whether_it_works_and_whether_it_needs_a_restart(
    state: str, works: bytes, lives: bytes
) -> None:
    place = f"127.0.0.1:{ports.allocate(1)[0]}"
    server = endpoint.serve(place, lambda: Health(state, "why"))
    for path, status in ((b"/health", works), (b"/health/live", lives)):
        head, _, body = ask(place, b"GET " + path + b" HTTP/1.1\r\nhost: localhost\r\n\r\n").partition(b"\r\n\r\n")
        assert (head.split()[1], json.loads(body)) == (status, {"state": state, "detail": "why"})
    server.shutdown()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"localhost", b"200"),
        (b"LocalHost:9101", b"200"),
        (b"127.0.0.1:1", b"200"),
        (b"[::1]:9101", b"200"),
        (b"[::1]", b"200"),
        (b"evil.example", b"421"),
        (b"evil.example:9101", b"421"),
        (b"127.0.0.1.nip.example:9101", b"421"),
        (b"localhost.", b"421"),
        (b"10.0.0.1", b"421"),
        (b"::1", b"421"),
        (b"", b"421"),
    ],
)
def test_a_name_that_was_rebound_to_our_address_gets_no_metrics(address: str, host: bytes, status: bytes) -> None:
    for path in (b"/metrics", b"/health", b"/other"):
        head, _, body = ask(address, b"GET " + path + b" HTTP/1.1\r\nhost: " + host + b"\r\n\r\n").partition(
            b"\r\n\r\n"
        )
        assert head.split()[1] == (b"404" if (status, path) == (b"200", b"/other") else status)
        assert b"ordermesh" not in body or status == b"200"


def test_a_port_for_other_machines_is_asked_by_any_name() -> None:
    port = ports.allocate(1)[0]
    server = endpoint.serve(f"0.0.0.0:{port}")
    assert ask(f"127.0.0.1:{port}", b"GET /metrics HTTP/1.1\r\nhost: orders:9101\r\n\r\n").split()[1] == b"200"
    server.shutdown()


def test_headers_that_are_too_large_end_the_connection(address: str) -> None:
    assert ask(address, ENDLESS + b"x" * endpoint.HEADERS_BYTES * 2) == b""
