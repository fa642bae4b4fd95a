"""Serves CreateOrder and BatchCreateOrders: one row and one event per order, many orders per transaction."""

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
# Encoded field tags and lengths of Order.order_id and BatchCreateOrdersResponse.results.order.
ORDER_ID = b"\x0a\x24"
RESULT = b"\x0a\x28\x0a\x26" + ORDER_ID

Submission = tuple[Sequence[bytes], asyncio.Future[list[str]]]


class Store:
    """Group commit of orders."""

    def __init__(self, settings: BareSettings) -> None:
        self._settings = settings
        self._queue: asyncio.Queue[Submission] = asyncio.Queue()
        self._process = str(os.getpid())

    async def submit(self, payloads: Sequence[bytes]) -> list[str]:
        """Store the orders and return their ids once they are durable."""
        if not self._settings.store:
            return new_ids(len(payloads))
        future: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((payloads, future))
        return await future

    async def run(self) -> None:
        """Write queued orders in group commits, without end."""
        connection = await psycopg.AsyncConnection.connect(
            self._settings.dsn, autocommit=True, prepare_threshold=0, options=GENERIC_PLAN
        )
        while True:
            submissions = [await self._queue.get()]
            count = len(submissions[0][0])
            while count < self._settings.commit_orders and not self._queue.empty():
                submissions.append(self._queue.get_nowait())
                count += len(submissions[-1][0])
            await self._write(connection, submissions, count)

    async def _write(
        self, connection: psycopg.AsyncConnection[Any], submissions: Sequence[Submission], count: int
    ) -> None:
        ids = new_ids(count)
        payloads = [payload for group, _ in submissions for payload in group]
        values = {"order_ids": arrays.plain(ids), "payloads": arrays.binary(payloads), "process": self._process}
        await connection.execute(SQL.insert_orders, values)
        position = 0
        for group, future in submissions:
            future.set_result(ids[position : position + len(group)])
            position += len(group)


def new_ids(count: int) -> list[str]:
    """Return new ids in ascending order."""
    now_us = time.time_ns() // 1000
    return [uuid7(now_us + n) for n in range(count)]


def handlers(store: Store) -> dict[str, Callable[[bytes, Any], Awaitable[bytes]]]:
    """Return the handlers, which receive and return bytes."""

    async def create(request: bytes, _: Any) -> bytes:
        (order_id,) = await store.submit([request])
        return ORDER_ID + order_id.encode()

    async def create_batch(request: bytes, _: Any) -> bytes:
        parsed = BatchCreateOrdersRequest.FromString(request)
        ids = await store.submit([each.SerializeToString() for each in parsed.requests])
        return b"".join(RESULT + order_id.encode() for order_id in ids)

    return {"CreateOrder": create, "BatchCreateOrders": create_batch}


async def serve(settings: BareSettings) -> None:
    """Serve until the process is stopped."""
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
