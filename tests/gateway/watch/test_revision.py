"""A revision belongs to its stream and is refused by the name of the field that it came in."""

from __future__ import annotations

import base64

import pytest
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision
from signed_tokens import tokens

from gateway.watch.revision import Revisions
from runtime.errors import InvalidRequest

TOPIC_ID = b"0123456789abcdef"
ORDERS = OrdersRevision(topic_id=TOPIC_ID, next_offsets=[3, 0, 300])
METRICS = MetricsRevision(order_offsets=[3, 300], stock_offsets=[1], order_topic_id=TOPIC_ID, stock_topic_id=TOPIC_ID)
OF_ORDERS = Revisions(tokens(), "WatchOrders", OrdersRevision)
OF_METRICS = Revisions(tokens(), "WatchMetrics", MetricsRevision)


def assert_refused(revisions: Revisions, text: str) -> None:
    for field in ("after_revision", "last-event-id"):
        with pytest.raises(InvalidRequest, match=f"{field}: is not a revision of this stream.*watch again without it"):
            revisions.decode(text, field)


def test_a_revision_is_of_its_stream_and_no_other() -> None:
    orders, metrics = OF_ORDERS.encode(ORDERS), OF_METRICS.encode(METRICS)
    assert OF_ORDERS.decode(orders, "after_revision") == ORDERS
    assert OF_METRICS.decode(metrics, "after_revision") == METRICS
    assert_refused(OF_ORDERS, metrics)
    assert_refused(OF_METRICS, orders)
    empty = MetricsRevision()
    assert OF_METRICS.decode(OF_METRICS.encode(empty), "after_revision") == empty


def test_a_revision_of_before_signatures_is_refused_with_what_to_do() -> None:
    unsigned = base64.urlsafe_b64encode(
        OrdersRevision(version=1, topic_id=TOPIC_ID, next_offsets=[3]).SerializeToString()
    )
    assert_refused(OF_ORDERS, unsigned.rstrip(b"=").decode())


@pytest.mark.parametrize("revisions", [OF_ORDERS, OF_METRICS])
@pytest.mark.parametrize("text", ["nonsense", "AA", "0", "!", "é", "CAI", "CAEQ", "42", "A" * 20_000])
def test_an_invalid_revision_always_has_the_same_error(revisions: Revisions, text: str) -> None:
    assert_refused(revisions, text)
