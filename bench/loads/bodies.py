"""The request bodies of closed-model loads: always the same order, without request_id, so that each call is new."""

from __future__ import annotations

import json
import struct

from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest

CUSTOMER = "cust-123"
ORDER = {
    "customerId": CUSTOMER,
    "items": [{"productId": "p1", "quantity": 2, "price": 10}, {"productId": "p2", "quantity": 1, "price": 50}],
}


def rest_body() -> bytes:
    """Return the order as JSON, as in the README."""
    return json.dumps(ORDER, separators=(",", ":")).encode()


def order() -> CreateOrderRequest:
    """Return the same order as a message."""
    request = CreateOrderRequest(customer_id=CUSTOMER)
    request.items.add(product_id="p1", quantity=2, price=10)
    request.items.add(product_id="p2", quantity=1, price=50)
    return request


def grpc_body() -> bytes:
    """Return the order in a gRPC frame."""
    return framed(order().SerializeToString())


def batch_body(size: int) -> bytes:
    """Return a batch of the same order in a gRPC frame."""
    return framed(BatchCreateOrdersRequest(requests=[order()] * size).SerializeToString())


def framed(message: bytes) -> bytes:
    """Return a message in an uncompressed gRPC frame."""
    return struct.pack(">BI", 0, len(message)) + message
