"""Reads the stored orders, through the front proxy."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.orders.v1 import orders_pb2

from loadgen.reconciliation.own_orders import Content

LIST = "/ordermesh.orders.v1.OrderService/ListOrders"
GET = "/ordermesh.orders.v1.OrderService/GetOrder"
PAGE_ORDERS = 1_000
CALL_SECONDS = 20.0


class StoredOrders:
    """Queries OrderService; raises grpc.aio.AioRpcError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        list_request = orders_pb2.ListOrdersRequest.SerializeToString
        self._list = channel.unary_unary(LIST, list_request, orders_pb2.ListOrdersResponse.FromString)
        self._get = channel.unary_unary(GET, orders_pb2.GetOrderRequest.SerializeToString, orders_pb2.Order.FromString)

    async def since(self, first_ms: int) -> dict[str, Content]:
        """Return the orders accepted since a time in milliseconds since 1970, by the database clock."""
        request = orders_pb2.ListOrdersRequest(page_size=PAGE_ORDERS, start_time=moment(first_ms))
        found: dict[str, Content] = {}
        while True:
            page: orders_pb2.ListOrdersResponse = await self._list(request, timeout=CALL_SECONDS)
            for order in page.orders:
                found[order.order_id] = (order.customer_id, round(order.total_price * 100))
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def absent(self, order_ids: Iterable[str]) -> list[str]:
        """Return those of the orders that do not exist."""
        gone = []
        for order_id in order_ids:
            try:
                await self._get(orders_pb2.GetOrderRequest(order_id=order_id), timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                gone.append(order_id)
        return gone


def moment(milliseconds: int) -> Timestamp:
    """Convert milliseconds since 1970 to a timestamp."""
    made = Timestamp()
    made.FromMilliseconds(milliseconds)
    return made
