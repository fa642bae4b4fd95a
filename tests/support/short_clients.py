"""gRPC clients that connect, create one order and go, as grpcurl and cron jobs do; bare frames, to be cheap."""

from __future__ import annotations

import asyncio
from collections import Counter

from ordermesh.orders.v1 import orders_pb2

CREATE = "/ordermesh.orders.v1.OrderService/CreateOrder"
AT_ONCE = 16
CALL_SECONDS = 30.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_BYTES = 9
# Frame types and flags of RFC 9113.
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS = 1, 4


def call_bytes() -> bytes:
    """Return everything that a client sends: the preface, its settings, and the call on stream 1."""
    item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
    message = orders_pb2.CreateOrderRequest(customer_id="cust-short", items=[item]).SerializeToString()
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": CREATE,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\x00" + text(name) + text(value) for name, value in headers.items())
    body = b"\x00" + len(message).to_bytes(4, "big") + message
    return PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, body)


def text(value: str) -> bytes:
    """Return a string as HPACK writes it without compression."""
    assert len(value) < 127
    return bytes([len(value)]) + value.encode()


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


async def one_call(host: str, port: int) -> str:
    """Connect, create an order, close; return how it went."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(call_bytes())
                return await outcome(reader)
            finally:
                writer.close()
    except TimeoutError:
        return "no answer"
    except (ConnectionError, asyncio.IncompleteReadError):
        return "refused"


async def outcome(reader: asyncio.StreamReader) -> str:
    """Return how the call on stream 1 ended: an answer has a message, an error has none."""
    answered = False
    while True:
        head = await reader.readexactly(FRAME_HEADER_BYTES)
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        answered = answered or (kind == DATA and stream == 1)
        if kind == GOAWAY:
            return "refused"
        if kind in (DATA, HEADERS) and stream == 1 and flags & END_STREAM:
            return "order" if answered else "error"


async def short_clients(target: str, count: int) -> Counter[str]:
    """Let so many clients come and go, some at a time; return how their calls went."""
    host, _, port = target.rpartition(":")
    outcomes: Counter[str] = Counter()
    numbers = iter(range(count))

    async def come_and_go() -> None:
        for _ in numbers:
            outcomes[await one_call(host, int(port))] += 1

    await asyncio.gather(*(come_and_go() for _ in range(AT_ONCE)))
    return outcomes
