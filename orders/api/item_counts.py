"""Counts the items of requests before they are decoded: an empty item of two bytes has forty times its size then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest

from runtime.errors import InvalidRequest, Violation
from runtime.grpc import field_rules
from runtime.grpc.call_ends import Check

BATCH = BatchCreateOrdersRequest.DESCRIPTOR.fields_by_name["requests"]
ITEMS = CreateOrderRequest.DESCRIPTOR.fields_by_name["items"]
BATCH_RULES = field_rules.rules(BatchCreateOrdersRequest, BATCH.name).items
MAX_BATCH_ITEMS = BATCH_RULES.max_total_items
MAX_ITEMS = field_rules.rules(CreateOrderRequest, ITEMS.name).items.max_items
# A field of an empty message: its tag and its length.
SMALLEST_ITEM_BYTES = 2


def undecoded(number: int) -> Any:
    """Return a message that has the elements of a repeated field of another one as bytes, in the field `parts`."""
    file = FileDescriptorProto(name="parts.proto", package="parts", syntax="proto3")
    kind, label = FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.LABEL_REPEATED
    file.message_type.add(name="Parts").field.add(name="parts", number=number, type=kind, label=label)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("parts.Parts"))


ORDERS_OF_BATCH, ITEMS_OF_ORDER = undecoded(BATCH.number), undecoded(ITEMS.number)


def check_order(data: bytes) -> None:
    """Check the number of items of an order. Raises InvalidRequest, and DecodeError for what is no message."""
    if len(data) <= MAX_ITEMS * SMALLEST_ITEM_BYTES:
        return
    items = len(ITEMS_OF_ORDER.FromString(data).parts)
    if items > MAX_ITEMS:
        raise InvalidRequest([Violation("items", f"must have 1 to {MAX_ITEMS} items, has {items}")])


def check_batch(data: bytes) -> None:
    """Check the numbers of orders and items of a batch. Raises as check_order does."""
    if len(data) <= BATCH_RULES.max_items * SMALLEST_ITEM_BYTES:
        return
    orders = ORDERS_OF_BATCH.FromString(data).parts
    if len(orders) > BATCH_RULES.max_items:
        raise InvalidRequest(
            [Violation("requests", f"must have 1 to {BATCH_RULES.max_items} orders, has {len(orders)}")]
        )
    check_items(orders)


def check_items(orders: Iterable[bytes]) -> None:
    """Check the number of items of all orders of a batch. Raises InvalidRequest and DecodeError."""
    items = 0
    for order in orders:
        items += len(ITEMS_OF_ORDER.FromString(order).parts)
        if items > MAX_BATCH_ITEMS:
            rule = f"must have at most {MAX_BATCH_ITEMS} items in all orders together, has at least {items}"
            raise InvalidRequest([Violation("requests", rule)])


CHECKS: dict[str, Check] = {
    "/ordermesh.orders.v1.OrderService/CreateOrder": check_order,
    "/ordermesh.orders.v1.OrderService/BatchCreateOrders": check_batch,
}
