"""Decoding of records, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ordermesh.events.v1.events_pb2 import Item, OrderCreated, OrderEvent
from ordermesh.orders.v1.orders_pb2 import Order
from processor_world import created, new_id, restock

from processor.events.decode import decode
from processor.events.event import ANY_TIME, Event, EventWindow, Reason, Rejection
from runtime.kafka.topics import ORDER_EVENTS, STOCK


def order(event: OrderEvent, key: str | None = None, window: EventWindow = ANY_TIME) -> Event | Rejection:
    return decode(ORDER_EVENTS, (key or event.order_id).encode(), event.SerializeToString(), window)


def test_an_order_is_read_with_its_lines_units_and_value() -> None:
    event = created(1)
    found = order(event)
    assert isinstance(found, Event)
    assert (found.event_id, found.order_id, found.total_minor) == (event.event_id, event.order_id, event.total_minor)
    assert found.units == sum(item.quantity for item in event.order_created.items)
    assert sum(line[2] for line in found.lines) == event.total_minor


@pytest.mark.parametrize("value", [None, b""])
def test_an_empty_value_is_rejected(value: bytes | None) -> None:
    assert decode(ORDER_EVENTS, b"k", value, ANY_TIME) == Rejection(Reason.EMPTY, "the value is empty")


@pytest.mark.parametrize("topic", [ORDER_EVENTS, STOCK])
def test_bytes_that_are_no_message_are_undecodable(topic: str) -> None:
    found = decode(topic, b"k", b"\xff\xff\xff", ANY_TIME)
    assert isinstance(found, Rejection)
    assert found.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("changes", [{"order_created": None}, {"schema_version": 2}])
def test_a_newer_writers_event_is_of_unknown_type_and_keeps_its_id(changes: dict[str, object]) -> None:
    event = created(1, **changes)
    found = order(event)
    assert isinstance(found, Rejection)
    assert (found.reason, found.event_id) == (Reason.UNKNOWN_TYPE, event.event_id)


def test_an_event_with_another_key_is_rejected() -> None:
    found = order(created(1), key=new_id())
    assert isinstance(found, Rejection)
    assert found.reason is Reason.WRONG_KEY
    stock = decode(STOCK, b"p2", restock("p1").SerializeToString(), ANY_TIME)
    assert isinstance(stock, Rejection)
    assert stock.reason is Reason.WRONG_KEY


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"event_id": "7"}, "event_id"),
        ({"event_id": "019a0000-0000-4000-8000-000000000000"}, "event_id"),
        ({"order_id": "o-1"}, "order_id"),
        ({"occur_time": None}, "occur_time"),
        ({"schema_version": 0}, "schema_version"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": -1}, "sequence"),
        ({"status": Order.SHIPPED}, "statuses"),
        ({"status": 42}, "statuses"),
        ({"previous_status": Order.PAID}, "statuses"),
        ({"total_minor": -1}, "total_minor"),
        ({"total_minor": 7_777_777}, "total_minor"),
        ({"total_minor": 2**62}, "total_minor"),
        ({"order_created": OrderCreated(), "total_minor": 0}, "no items"),
        ({"order_created": OrderCreated(items=[Item(product_id="a b", quantity=1)]), "total_minor": 0}, "product_id"),
        ({"order_created": OrderCreated(items=[Item(product_id="p1")]), "total_minor": 0}, "quantity"),
    ],
)
def test_an_event_that_breaks_the_contract_is_invalid_and_says_where(changes: dict[str, object], named: str) -> None:
    found = order(created(1, **changes))
    assert isinstance(found, Rejection)
    assert found.reason is Reason.INVALID
    assert named in found.detail


def test_an_event_from_before_the_retention_is_too_old() -> None:
    event = created(1)
    found = order(event, window=ANY_TIME._replace(oldest_event_id=new_id()))
    assert isinstance(found, Rejection)
    assert (found.reason, found.event_id) == (Reason.TOO_OLD, event.event_id)


def test_an_event_ahead_of_the_clock_is_too_new() -> None:
    event = created(1)
    occurred_us = event.occur_time.seconds * 1_000_000 + event.occur_time.nanos // 1_000
    for changes in ({"newest_event_id": event.event_id}, {"newest_occur_us": occurred_us}):
        found = order(event, window=ANY_TIME._replace(**changes))
        assert isinstance(found, Rejection)
        assert (found.reason, found.event_id) == (Reason.TOO_NEW, event.event_id)
    assert isinstance(order(event, window=ANY_TIME._replace(newest_occur_us=occurred_us + 1)), Event)


@given(topic=st.sampled_from([ORDER_EVENTS, STOCK]), key=st.none() | st.binary(), value=st.binary())
def test_no_bytes_make_decoding_fail(topic: str, key: bytes | None, value: bytes) -> None:
    assert isinstance(decode(topic, key, value, ANY_TIME), Rejection)
