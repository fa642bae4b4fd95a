"""What is fuzzed: functions of arbitrary bytes that raise only when the code under them fails.

Hypothesis calls them in `make test`, atheris in `make fuzz` (tests/fuzz/run.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from confluent_kafka import Message
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Protobuf
from ordermesh.analytics.v1.analytics_pb2 import ListMetricsRequest, OrdersPerMinuteRequest, TopProductsRequest
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.internal.v1.revision_pb2 import OrdersRevision
from ordermesh.orders.v1.inventory_pb2 import CreateProductRequest, RestockProductRequest
from ordermesh.orders.v1.orders_pb2 import CreateOrderRequest, GetOrderRequest, ListOrdersRequest
from pydantic import SecretStr

from gateway.watch.revision import Revisions
from orders.api import order_pages, validation
from processor.dead_letters import headers
from processor.events.batch import Batch, decode_into
from processor.events.event import ANY_TIME
from processor.query import validation as analytics_validation
from runtime.errors import InvalidRequest
from runtime.kafka.topics import EVENT_TOPICS
from runtime.telemetry import trace_context
from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.page_token import PageTokens

TOPICS = sorted(EVENT_TOPICS)
TOKENS = OpaqueTokens(SecretStr("k" * 32))
PAGES = PageTokens(TOKENS, "fuzz")
REVISIONS = Revisions(TOKENS, "another", OrdersRevision)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# How each request is read before a service acts on it.
REQUESTS: list[tuple[type[Protobuf], Callable[..., object]]] = [
    (CreateOrderRequest, lambda request: validation.new_order(request, "", None)),
    (GetOrderRequest, lambda request: validation.order_id(request.order_id)),
    (ListOrdersRequest, lambda request: (validation.list_orders(request), order_pages.upper_bound(request, PAGES))),
    (CreateProductRequest, validation.create_product),
    (RestockProductRequest, validation.restock),
    (ListMetricsRequest, lambda request: analytics_validation.metrics_page(request, PAGES)),
    (TopProductsRequest, analytics_validation.products_limit),
    (OrdersPerMinuteRequest, lambda request: analytics_validation.minutes(request, NOW)),
]


def record(data: bytes) -> None:
    """Read a record of Kafka as a worker does: it is one event, or one dead letter."""
    shape, key_length = data[:1] or b"\0", (data[1:2] or b"\0")[0] % 64
    key, value = data[2 : 2 + key_length], data[2 + key_length :]
    sent = [("traceparent", value[:55]), (key.decode(errors="replace"), key)] if shape[0] & 2 else None
    message = Message(topic=TOPICS[shape[0] % len(TOPICS)], partition=0, offset=0, key=key, value=value, headers=sent)
    batch = Batch()
    decode_into(batch, [message], ANY_TIME)
    assert len(batch.events) + len(batch.dead_letters) == 1


def stored_headers(data: bytes) -> None:
    """Keep a record's headers with a dead letter, and read them again."""
    given = [(data[start : start + 3], data[start + 3 : start + 9]) for start in range(0, len(data), 9)]
    assert headers.decode(headers.encode(given).encode()) == given


def request(data: bytes) -> None:
    """Validate a request: it is accepted, or refused as invalid."""
    kind, check = REQUESTS[(data[:1] or b"\0")[0] % len(REQUESTS)]
    try:
        check(kind.FromString(data[1:]))
    except (DecodeError, InvalidRequest):
        return


def token(data: bytes) -> None:
    """Read a text as a page token and as a revision: none that is not ours is one."""
    text = data.decode(errors="replace")
    for read in (lambda: PAGES.decode(text, ListOrdersRequest()), lambda: REVISIONS.decode(text, "after_revision")):
        try:
            read()
        except InvalidRequest:
            continue
        raise AssertionError("a forged token was accepted")
    signed = PAGES.encode(PageToken(key=text[:32]), ListOrdersRequest())
    assert PAGES.decode(signed, ListOrdersRequest()).key == text[:32]


def traceparent(data: bytes) -> None:
    """Read a text as a trace context."""
    found = trace_context.parse(data.decode(errors="replace"))
    assert found is None or trace_context.parse(found.traceparent) == found


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (record, stored_headers, request, token, traceparent)
}
