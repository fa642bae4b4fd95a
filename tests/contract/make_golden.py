"""Writes the golden events that are missing and leaves those that are there: `python tests/contract/make_golden.py`."""

import json
from pathlib import Path

from google.protobuf import json_format
from google.protobuf.message import Message
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent

GOLDEN = Path(__file__).parent / "golden"
ORDER_ID = "019cdf1a-7d00-7c3e-9d5b-0d8f4b1f6a52"
# Field 99, a message with one string: a payload that version 1 does not know.
FUTURE_PAYLOAD = b"\x9a\x06\x08\x0a\x06future"


def order_event(number: int, **values: object) -> OrderEvent:
    """Return the n-th event of one order."""
    event = OrderEvent(
        event_id=f"019cdf1a-7d00-7000-8000-00000000000{number}",
        order_id=ORDER_ID,
        customer_id="cust-123",
        sequence=number,
        total_minor=7000,
        schema_version=1,
    )
    event.occur_time.FromJsonString(f"2026-03-11T22:0{number}:00.123456Z")
    event.MergeFrom(OrderEvent(**values))
    return event


def stock_event(number: int, **values: object) -> StockEvent:
    """Return the n-th event of one product."""
    event = StockEvent(event_id=f"019cdf1a-7d00-7000-8000-00000000001{number}", product_id="p1", schema_version=1)
    event.occur_time.FromJsonString(f"2026-03-11T22:1{number}:00.123456Z")
    event.MergeFrom(StockEvent(**values))
    return event


ITEMS = [
    {"product_id": "p1", "quantity": 2, "price_minor": 1000},
    {"product_id": "p2", "quantity": 1, "price_minor": 5000},
]
EVENTS: dict[str, Message] = {
    "order_created": order_event(1, status="PENDING_RESTOCK", order_created={"items": ITEMS}),
    "stock_allocated": order_event(2, previous_status="PENDING_RESTOCK", status="CREATED", stock_allocated={}),
    "payment_completed": order_event(3, previous_status="CREATED", status="PAID", payment_completed={}),
    "order_shipped": order_event(4, previous_status="PAID", status="SHIPPED", order_shipped={}),
    "order_cancelled": order_event(5, previous_status="PAID", status="CANCELLED", order_cancelled={}),
    "restock_requested": stock_event(1, restock_requested={"order_id": ORDER_ID, "missing_quantity": 4}),
    "restocked": stock_event(2, restocked={"quantity": 100}),
    "future_schema": order_event(6, schema_version=2, status="CREATED", order_created={"items": ITEMS}),
}


def write(name: str, kind: type[Message], value: bytes) -> None:
    """Write the bytes and what they mean, unless they are there."""
    path = GOLDEN / f"{name}.binpb"
    if path.exists():
        return
    meaning = json_format.MessageToDict(kind.FromString(value), preserving_proto_field_name=True)
    path.write_bytes(value)
    path.with_suffix(".json").write_text(json.dumps({"message": kind.__name__, "value": meaning}, indent=1) + "\n")


def main() -> None:
    """Write what is missing."""
    GOLDEN.mkdir(exist_ok=True)
    for name, message in EVENTS.items():
        write(name, type(message), message.SerializeToString(deterministic=True))
    future = order_event(7, status="PAID").SerializeToString(deterministic=True) + FUTURE_PAYLOAD
    write("future_type", OrderEvent, future)


if __name__ == "__main__":
    main()
