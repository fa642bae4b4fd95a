"""A revision names its stream."""

from __future__ import annotations

import pytest
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision

from gateway.watch import revision
from runtime.errors import InvalidRequest
from runtime.grpc import opaque_token

TOPIC_ID = b"0123456789abcdef"
ORDERS = OrdersRevision(topic_id=TOPIC_ID, next_offsets=[3, 0, 300])
METRICS = MetricsRevision(order_offsets=[3, 300], stock_offsets=[1], order_topic_id=TOPIC_ID, stock_topic_id=TOPIC_ID)
KINDS = [OrdersRevision, MetricsRevision]


def assert_none_of(kind: type[OrdersRevision | MetricsRevision], text: str) -> None:
    with pytest.raises(InvalidRequest, match="after_revision: is not a revision of this stream"):
        revision.decode(text, kind)


@pytest.mark.parametrize("made", [ORDERS, METRICS, MetricsRevision(), MetricsRevision(order_offsets=[1] * 16)])
def test_a_revision_is_of_its_stream_and_no_other(made: OrdersRevision | MetricsRevision) -> None:
    text = revision.encode(made)
    assert revision.decode(text, type(made)) == made
    for other in KINDS:
        if other is not type(made):
            assert_none_of(other, text)


@pytest.mark.parametrize("made", [ORDERS, METRICS])
def test_a_revision_of_a_version_before_streams_were_named_still_holds(made: OrdersRevision | MetricsRevision) -> None:
    earlier = type(made)()
    earlier.CopyFrom(made)
    earlier.version = revision.VERSION
    earlier.ClearField("stream")
    assert revision.decode(opaque_token.to_text(earlier), type(made)) == earlier


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["nonsense", "AA", "0", "!", "é", "CAI", "CAEQ", "42", "A" * 20_000])
def test_an_invalid_revision_always_has_the_same_error(kind: type[OrdersRevision | MetricsRevision], text: str) -> None:
    assert_none_of(kind, text)
