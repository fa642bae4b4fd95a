"""The size of events and the shards of their keys."""

from hypothesis import given
from hypothesis import strategies as st
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent

from orders.api import validation
from orders.domain import events, ids
from orders.domain.order import CREATED, Line, NewOrder

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


def test_the_largest_order_fits_into_an_event_and_an_ordinary_one_is_small() -> None:
    lines = tuple(Line("p" * 64, 1_000_000, 1_000_000_000) for _ in range(validation.MAX_ITEMS))
    large = NewOrder("c" * 128, lines, 10**12, 10**9, "", TRACE)
    row = events.order_created(ids.uuid7(1), ids.uuid7(1), large, CREATED, 1)
    assert len(row.payload) < 100_000
    assert OrderEvent.FromString(row.payload).schema_version == 1
    small = NewOrder("cust-1", (Line("p1", 2, 1000),), 2000, 2, "", TRACE)
    assert len(events.order_created(ids.uuid7(1), ids.uuid7(1), small, CREATED, 1).payload) < 170


@given(st.from_regex(validation.PRODUCT_ID, fullmatch=True))
def test_every_product_has_a_shard_which_its_events_have(product: str) -> None:
    row = events.restock_requested(ids.uuid7(1), product, ids.uuid7(2), 3, 1, TRACE)
    assert 0 <= row.shard < events.SHARDS
    assert row.key == StockEvent.FromString(row.payload).product_id == product
