"""Loads the fast lane through Envoy the way good and bad clients do, and looks at the processes behind it."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from stack.running_stack import RunningStack

# Channels to one target share connections unless told otherwise, and clients that harm each other must not.
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
CREATE = "/ordermesh.orders.v1.OrderService/CreateOrder"
CALL_SECONDS = 20.0
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Amounts:
    """How much each test does."""

    checked_calls: int
    storm_seconds: float
    cancels_per_second: int
    memory_calls: int
    short_clients: int


SHORT = Amounts(2_000, 2.0, 400, 10_000, 2_000)
FULL = Amounts(50_000, 10.0, 4_000, 1_000_000, 20_000)


def order(customer: str, quantity: int) -> orders_pb2.CreateOrderRequest:
    """Return a small order whose reply can be told from every other."""
    item = orders_pb2.OrderItem(product_id="p1", quantity=quantity, price=1.25)
    return orders_pb2.CreateOrderRequest(customer_id=customer, items=[item])


def resident_bytes(stack: RunningStack) -> int:
    """Return the memory of all serving processes of orders."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES for pid in stack.children("orders"))


async def checked_calls(target: str, calls: int) -> tuple[int, int]:
    """Make calls side by side; return how many replies were not the caller's own, and how many orders there are."""
    wrong, ids, numbers = 0, set(), iter(range(1, calls + 1))
    async with grpc.aio.insecure_channel(target, OWN_CONNECTION) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)

        async def caller(name: str) -> None:
            nonlocal wrong
            for number in numbers:
                reply = await stub.CreateOrder(order(name, number), timeout=CALL_SECONDS)
                wrong += reply.customer_id != name or reply.total_price != number * 1.25
                ids.add(reply.order_id)

        await asyncio.gather(*(caller(f"caller-{n}") for n in range(64)))
    return wrong, len(ids)


async def steady_calls(target: str, per_second: int, stop: asyncio.Event) -> Counter[str]:
    """Call at an even rate until told to stop; return the outcomes by code."""
    outcomes: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(target, OWN_CONNECTION) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)

        async def call(number: int) -> None:
            try:
                await stub.CreateOrder(order("steady", 1 + number % 1000), timeout=CALL_SECONDS)
                outcomes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                outcomes[f"{error.code().name}: {error.details()}"] += 1

        calls, began, number = [], time.monotonic(), 0
        while not stop.is_set():
            calls.append(asyncio.create_task(call(number)))
            number += 1
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        await asyncio.gather(*calls)
    return outcomes


async def cancel_storm(target: str, seconds: float, per_second: int) -> int:
    """Open calls and cancel them at once, in bursts; return how many."""
    cancelled = 0
    async with grpc.aio.insecure_channel(target, OWN_CONNECTION) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            calls = [stub.CreateOrder(order("storm", 1), timeout=CALL_SECONDS) for _ in range(20)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            cancelled += len(calls)
            await asyncio.sleep(max(0.0, began + cancelled / per_second - time.monotonic()))
    return cancelled


async def send_bomb(target: str, unpacked_bytes: int) -> grpc.StatusCode:
    """Send one message that unpacks to a lot, as a client that compresses may; return how it was answered."""
    message = orders_pb2.CreateOrderRequest(customer_id="x").SerializeToString() + b"\x0a" + varint(unpacked_bytes)
    bomb = message + bytes(unpacked_bytes)
    assert len(gzip.compress(bomb, 6)) < 1024 * 1024, "it has to pass the limit of bodies to be a bomb"
    options = [*OWN_CONNECTION, ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(target, options, grpc.Compression.Gzip) as channel:
        call = channel.unary_unary(CREATE)
        try:
            await call(bomb, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def send_without_end(target: str) -> tuple[grpc.StatusCode, int]:
    """Send a body that does not end; return how it was answered and how many bytes had gone."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    async with grpc.aio.insecure_channel(target, OWN_CONNECTION) as channel:
        call = channel.stream_unary(CREATE)
        try:
            await call(chunks(), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code(), sent
    return grpc.StatusCode.OK, sent


def varint(number: int) -> bytes:
    """Write a number as protobuf does."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))
