"""Attacks with bodies: large, slow, expensive to read."""

from __future__ import annotations

import json
import socket
import time

from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest, OrderItem

from faults.attacks import frames
from faults.attacks.frames import Connection, connect
from faults.attacks.target import Counts, Target

ORDERS = "/ordermesh.orders.v1.OrderService"
LARGE_BYTES = 8_000_000
LARGE_BODIES = 54
SMALL_BYTES = 1_000_000
SMALL_BODIES = 400
TRICKLE_SECONDS = 0.2
BATCH_PAUSE_SECONDS = 0.5


def empty_lines_message(orders: int = 1_000, lines: int = 1_000) -> bytes:
    """Return a batch of orders with empty lines."""
    order = CreateOrderRequest(items=[OrderItem()] * lines)
    # Messages in a row are one message with the elements of all.
    return BatchCreateOrdersRequest(requests=[order]).SerializeToString() * orders


def empty_lines(target: Target) -> Counts:
    """Send batches of a thousand orders with a thousand empty lines each over gRPC."""
    body = frames.message(empty_lines_message())
    return posted(target, frames.grpc(f"{ORDERS}/BatchCreateOrders"), body)


def empty_lines_rest(target: Target) -> Counts:
    """Send the same as JSON."""
    order = '{"items":[' + ",".join(["{}"] * 1_000) + "]}"
    body = ('{"requests":[' + ",".join([order] * 1_000) + "]}").encode()
    return posted(target, frames.post("/v1/orders:batchCreate"), body)


def nested_json(target: Target) -> Counts:
    """Send JSON nested a hundred thousand deep in a field that does not exist."""
    body = b'{"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return posted(target, frames.post("/orders"), body)


def unknown_fields(target: Target) -> Counts:
    """Send an order with fifty thousand fields that do not exist."""
    return posted(target, frames.post("/orders"), json.dumps({f"f{n}": n for n in range(50_000)}).encode())


def posted(target: Target, headers: frames.Headers, body: bytes) -> Counts:
    """Send a request again and again, one at a time, with a pause between."""
    sent = answered = 0
    while target.left:
        try:
            connection = Connection.open(target.front, target.source)
        except OSError:
            time.sleep(BATCH_PAUSE_SECONDS)
            continue
        stream = connection.request(headers, end=False)
        sent += connection.body(stream, body)
        while target.left and not connection.closed and stream not in connection.ended | connection.reset:
            connection.read(min(1.0, target.left), grant=True)
        answered += stream in connection.ended
        connection.close()
        time.sleep(min(BATCH_PAUSE_SECONDS, target.left))
    return {"sent": sent, "answered": answered}


def slow_batches(target: Target) -> Counts:
    """Send batches of 8 MB but for their end, which arrives a byte at a time."""
    return slow(target, "/v1/orders:batchCreate", LARGE_BODIES, LARGE_BYTES)


def slow_orders(target: Target) -> Counts:
    """Do the same with orders of 1 MB."""
    return slow(target, "/orders", SMALL_BODIES, SMALL_BYTES)


def slow(target: Target, path: str, count: int, size: int) -> Counts:
    """Keep a number of bodies on their way; those that the server ends begin again."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
    )
    filling = b'{"x":"' + b"y" * (size - 1_000)
    sockets: list[tuple[socket.socket, int]] = []
    opened = ended = failed = 0
    while target.left:
        while len(sockets) < count and target.left and failed < 20 * count:
            try:
                made = connect(target.front, target.source)
                made.setblocking(False)
                sockets.append((made, 0))
                opened += 1
            except OSError:
                failed += 1
                time.sleep(0.002)
        kept = []
        data = head.encode() + filling
        for each, at in sockets:
            try:
                piece = data[at : at + 262_144] or b"y"
                kept.append((each, at + each.send(piece)))
            except BlockingIOError:
                kept.append((each, at))
            except OSError:
                ended += 1
                each.close()
                continue
            if over(each):
                ended += 1
                kept.pop()
                each.close()
        sockets = kept
        full = all(at >= len(data) for _, at in sockets)
        time.sleep(min(TRICKLE_SECONDS if full else 0.005, target.left))
    for each, _ in sockets:
        each.close()
    return {"opened": opened, "refused": failed, "ended_by_server": ended, "held_at_the_end": len(sockets)}


def over(sock: socket.socket) -> bool:
    """Return whether the server answered or closed the connection."""
    try:
        sock.recv(65_536)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
