"""Serves CreateOrder and BatchCreateOrders: bytes in, one row and one event each, many orders a transaction."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import psycopg
import pygrpc_native.aio as native
import uvloop
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest

from bench.bare.settings import BareSettings, Engine
from orders.domain.ids import uuid7
from runtime.postgres import arrays
from runtime.postgres.queries import Queries

SQL = Queries("bench.bare", "bare.sql")
SERVICE = "ordermesh.orders.v1.OrderService"
GENERIC_PLAN = "-c plan_cache_mode=force_generic_plan"
# The tags of Order.order_id and of BatchCreateOrdersResponse.results.order, each before a length.
ORDER_ID = b"\x0a\x24"
RESULT = b"\x0a\x28\x0a\x26" + ORDER_ID

Ticket = tuple[Sequence[bytes], asyncio.Future[list[str]]]


class Store:
    """Group commit and nothing else."""

    def __init__(self, settings: BareSettings) -> None:
        self._settings = settings
        self._queue: asyncio.Queue[Ticket] = asyncio.Queue()
        self._process = str(os.getpid())

    async def submit(self, payloads: Sequence[bytes]) -> list[str]:
        """Return the ids of the orders once they are durable."""
        if not self._settings.store:
            return new_ids(len(payloads))
        future: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((payloads, future))
        return await future

    async def run(self) -> None:
        """Write what is there, for ever."""
        connection = await psycopg.AsyncConnection.connect(
            self._settings.dsn, autocommit=True, prepare_threshold=0, options=GENERIC_PLAN
        )
        while True:
            tickets = [await self._queue.get()]
            count = len(tickets[0][0])
            while count < self._settings.commit_orders and not self._queue.empty():
                tickets.append(self._queue.get_nowait())
                count += len(tickets[-1][0])
            await self._write(connection, tickets, count)

    async def _write(self, connection: psycopg.AsyncConnection[Any], tickets: Sequence[Ticket], count: int) -> None:
        ids = new_ids(count)
        payloads = [payload for group, _ in tickets for payload in group]
        values = {"order_ids": arrays.plain(ids), "payloads": arrays.binary(payloads), "process": self._process}
        await connection.execute(SQL.insert_orders, values)
        position = 0
        for group, future in tickets:
            future.set_result(ids[position : position + len(group)])
            position += len(group)


def new_ids(count: int) -> list[str]:
    """Return new ids in ascending order."""
    now_us = time.time_ns() // 1000
    return [uuid7(now_us + n) for n in range(count)]


def handlers(store: Store) -> dict[str, Callable[[bytes, Any], Awaitable[bytes]]]:
    """Return the methods; they take and give bytes."""

    async def create(request: bytes, _: Any) -> bytes:
        (order_id,) = await store.submit([request])
        return ORDER_ID + order_id.encode()

    async def create_batch(request: bytes, _: Any) -> bytes:
        parsed = BatchCreateOrdersRequest.FromString(request)
        ids = await store.submit([each.SerializeToString() for each in parsed.requests])
        return b"".join(RESULT + order_id.encode() for order_id in ids)

    return {"CreateOrder": create, "BatchCreateOrders": create_batch}


async def serve(settings: BareSettings) -> None:
    """Serve until the process is ended."""
    store = Store(settings)
    server: Any = native.Server() if settings.engine is Engine.NATIVE else grpc.aio.server()
    methods = {
        name: grpc.unary_unary_rpc_method_handler(handler, lambda raw: raw, lambda raw: raw)
        for name, handler in handlers(store).items()
    }
    server.add_registered_method_handlers(SERVICE, methods)
    if settings.engine is Engine.GRPCIO:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    server.add_insecure_port(settings.listen)
    gc.freeze()
    await server.start()
    await store.run() if settings.store else await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(BareSettings.load()))
