"""Valid inputs of the targets, from which mutations start."""

from __future__ import annotations

from ordermesh.events.v1 import events_pb2
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.orders_pb2 import CreateOrderRequest, ListOrdersRequest, OrderItem
from targets import PAGES, REQUESTS, TOPICS

from runtime.kafka.topics import ORDER_EVENTS

ORDER_ID = "01a20cb6-cbaa-7da2-9fb8-b87552120958"
ORDER = CreateOrderRequest(customer_id="cust-1", items=[OrderItem(product_id="p1", quantity=2, price=10)])


def event() -> bytes:
    """Return an event of a created order as a worker counts it."""
    made = events_pb2.OrderEvent(
        event_id="01a20cb6-cbaa-7da2-8fb8-b87552120958",
        schema_version=1,
        order_id=ORDER_ID,
        sequence=1,
        status=1,
        total_minor=2000,
    )
    made.occur_time.FromSeconds(1_790_000_000)
    made.order_created.items.add(product_id="p1", quantity=2, price_minor=1000)
    return made.SerializeToString()


def record() -> bytes:
    """Return the input of the target `record` that is that event."""
    key = ORDER_ID.encode()
    return bytes([TOPICS.index(ORDER_EVENTS), len(key)]) + key + event()


SEEDS: dict[str, list[bytes]] = {
    "record": [record()],
    "stored_headers": [b"abc123456"],
    "request": [bytes([number]) + ORDER.SerializeToString() for number in range(len(REQUESTS))],
    "token": [
        PAGES.encode(PageToken(key="p1"), ListOrdersRequest(customer_id="other")).encode(),
    ],
    "traceparent": [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
}
