"""Serves both methods from the low-level API of the engine: batches of calls, one thread, no event loop."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import Any

import psycopg
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest
from pygrpc_native import EVENT_CALL, NativeGrpcFront

from bench.bare.service import GENERIC_PLAN, ORDER_ID, RESULT, SERVICE, SQL, new_ids
from bench.bare.settings import BareSettings
from runtime.postgres import arrays

# The engine numbers the methods in this order.
CREATE, CREATE_BATCH = range(2)
METHODS = ((f"/{SERVICE}/CreateOrder", False), (f"/{SERVICE}/BatchCreateOrders", False))

# Id of the call, its method, and its orders.
Call = tuple[int, int, Sequence[bytes]]


class Store:
    """Writes the orders of a batch of calls in one transaction."""

    def __init__(self, settings: BareSettings) -> None:
        self._process = str(os.getpid())
        self._connection: psycopg.Connection[Any] | None = None
        if settings.store:
            self._connection = psycopg.connect(settings.dsn, autocommit=True, prepare_threshold=0, options=GENERIC_PLAN)

    def write(self, payloads: Sequence[bytes]) -> list[str]:
        """Store the orders and return their ids; blocks until they are durable."""
        ids = new_ids(len(payloads))
        if self._connection is not None:
            values = {"order_ids": arrays.plain(ids), "payloads": arrays.binary(payloads), "process": self._process}
            self._connection.execute(SQL.insert_orders, values)
        return ids


def read(events: Sequence[tuple[int, int, int, bytes | None, object]]) -> list[Call]:
    """Return the calls among the events; disconnects of clients are ignored."""
    return [
        (call_id, method, [payload] if method == CREATE else orders_of(payload))
        for kind, call_id, method, payload, _ in events
        if kind == EVENT_CALL and payload is not None
    ]


def orders_of(payload: bytes) -> list[bytes]:
    """Return the encoded orders of a batch."""
    return [each.SerializeToString() for each in BatchCreateOrdersRequest.FromString(payload).requests]


def groups(calls: Sequence[Call], commit_orders: int) -> list[list[Call]]:
    """Group calls into transactions like the other engines: a full transaction gets no further call."""
    found: list[list[Call]] = []
    room = 0
    for call in calls:
        if room <= 0:
            found.append([])
            room = commit_orders
        found[-1].append(call)
        room -= len(call[2])
    return found


def answer(front: NativeGrpcFront, calls: Sequence[Call], ids: Sequence[str]) -> None:
    """Answer each call with the ids of its orders."""
    position = 0
    for call_id, method, payloads in calls:
        own = ids[position : position + len(payloads)]
        position += len(own)
        if method == CREATE:
            front.respond(call_id, ORDER_ID + own[0].encode())
        else:
            front.respond(call_id, b"".join(RESULT + order_id.encode() for order_id in own))


def serve(settings: BareSettings) -> None:
    """Serve until the process is stopped."""
    store = Store(settings)
    front = NativeGrpcFront(settings.listen, METHODS)
    gc.freeze()
    front.start()
    while (events := front.recv_batch(settings.commit_orders)) is not None:
        for calls in groups(read(events), settings.commit_orders):
            ids = store.write([payload for _, _, payloads in calls for payload in payloads])
            answer(front, calls, ids)


if __name__ == "__main__":
    serve(BareSettings.load())
