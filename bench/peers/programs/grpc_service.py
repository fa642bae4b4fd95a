"""Plain grpcio on asyncio with psycopg: CreateOrder with validation, one transaction per order."""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

import grpc
import uvloop
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from psycopg_pool import AsyncConnectionPool

from bench.peers.programs.queries import QUERIES
from orders.api import validation


class Orders(orders_pb2_grpc.OrderServiceServicer):
    """The servicer of OrderService."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: Any) -> orders_pb2.Order:
        """Store an order with its event; answer when both are durable."""
        order, order_id = validation.new_order(request, "", None), uuid.uuid4()
        event = json.dumps({"orderId": str(order_id), "totalMinor": order.total_minor}).encode()
        items = [
            (order_id, position, line.product_id, line.quantity, line.price_minor)
            for position, line in enumerate(order.lines)
        ]
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.execute(QUERIES["insert_order"], (order_id, order.customer_id, order.total_minor))
            await cursor.executemany(QUERIES["insert_item"], items)
            await cursor.execute(QUERIES["insert_event"], (str(order_id), event))
        return orders_pb2.Order(
            order_id=str(order_id),
            customer_id=order.customer_id,
            status=orders_pb2.Order.CREATED,
            total_price=order.total_minor / 100,
            items=request.items,
        )


async def serve() -> None:
    """Serve until the process is stopped."""
    async with AsyncConnectionPool(os.environ["PEER_DSN"], min_size=10, max_size=20) as pool:
        server = grpc.aio.server()
        orders_pb2_grpc.add_OrderServiceServicer_to_server(Orders(pool), server)
        server.add_insecure_port(os.environ["PEER_LISTEN"])
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
