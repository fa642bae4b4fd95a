"""One trace for one order, from the front proxy to its counts, as a collector receives it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest
from front_proxy import ITEM, Platform
from otlp_receiver import OtlpReceiver, ReceivedSpan
from shared_stack import shared_collector
from trace_chain import CHAIN, CREATE_ORDER, PROCESS, SEND, WAIT, BrokenChain, chain
from waiting import await_true


@pytest.fixture(scope="module")
def collector(platform: Platform) -> OtlpReceiver:
    return shared_collector()


@pytest.fixture(scope="module")
def traced(platform: Platform, collector: OtlpReceiver) -> tuple[str, str, list[ReceivedSpan]]:
    """Return the id of a traced order, the id of the client's span and all spans of its trace."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    answer = platform.post(
        "/orders", {"customerId": "cust-trace", "items": [ITEM]}, "-H", f"traceparent: 00-{trace_id}-{span_id}-01"
    )
    assert answer.status == 200
    for _, name, _ in CHAIN:
        collector.await_span(trace_id, name)
    await_true(lambda: any(one.service == "envoy" for one in collector.trace(trace_id)), "Envoy sent its span")
    return answer.json["orderId"], span_id, collector.trace(trace_id)


def test_one_order_is_one_trace_from_the_client_to_its_counts(traced: tuple[str, str, list[ReceivedSpan]]) -> None:
    order_id, client_span_id, spans = traced
    _, server, wait, send, process = chain(spans, client_span_id)
    assert server.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": CREATE_ORDER,
        "rpc.response.status_code": "OK",
        "ordermesh.order.id": order_id,
    }
    assert wait.attributes["ordermesh.order.id"] == order_id
    assert send.attributes["messaging.kafka.message.key"] == order_id
    assert send.attributes["messaging.destination.name"] == "order-events"
    assert process.attributes["ordermesh.order.id"] == order_id
    assert process.attributes["messaging.consumer.group.name"]
    assert process.attributes["messaging.kafka.offset"] >= 0
    # The wait lasts until the acknowledgement, so the sending is within it.
    assert wait.start_ns <= send.start_ns <= send.end_ns == wait.end_ns
    assert process.end_ns > send.start_ns
    assert not any(one.failed for one in spans)
    assert {one.resource["service.namespace"] for one in spans} == {"ordermesh"}


@pytest.mark.parametrize(
    "broken",
    [
        lambda spans: [one for one in spans if one.name != WAIT],
        lambda spans: [replace(one, parent_id=spans[0].parent_id) if one.name == PROCESS else one for one in spans],
        lambda spans: [replace(one, parent_id="0" * 16) if one.name == SEND else one for one in spans],
        lambda spans: [replace(one, start_ns=1) if one.name == PROCESS else one for one in spans],
        lambda spans: [*spans, spans[-1]],
    ],
    ids=["no wait", "wrong parent", "unknown parent", "too early", "twice"],
)
def test_a_broken_chain_is_found(
    traced: tuple[str, str, list[ReceivedSpan]], broken: Callable[[list[ReceivedSpan]], list[ReceivedSpan]]
) -> None:
    _, client_span_id, spans = traced
    with pytest.raises(BrokenChain):
        chain(broken(spans), client_span_id)


def test_spans_of_batches_are_linked_and_no_parents(
    traced: tuple[str, str, list[ReceivedSpan]], collector: OtlpReceiver
) -> None:
    _, client_span_id, spans = traced
    _, server, _, send, process = chain(spans, client_span_id)
    for one, name in ((server, "INSERT orders"), (send, "publish batch"), (process, "INSERT processed_events")):
        ((batch_trace, batch_id),) = one.links
        batch = collector.await_span(batch_trace, name)
        assert batch.span_id == batch_id
        assert batch.parent_id == ""
        assert (one.trace_id, one.span_id) in batch.links
        assert collector.trace(batch_trace) == [batch]


def test_an_order_whose_client_does_not_sample_exports_nothing(platform: Platform, collector: OtlpReceiver) -> None:
    quiet, seen = (secrets.token_hex(16) for _ in range(2))
    for trace_id, flag in ((quiet, "00"), (seen, "01")):
        traceparent = f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-{flag}"
        order = {"customerId": "cust-trace", "items": [ITEM]}
        assert platform.post("/orders", order, "-H", traceparent).status == 200
    # The later of two orders arrived completely: the one before would have.
    collector.await_span(seen, PROCESS)
    await_true(lambda: any(one.service == "envoy" for one in collector.trace(seen)), "Envoy sent its span")
    assert collector.trace(quiet) == []


@pytest.mark.parametrize(
    ("path", "method", "service"),
    [
        ("/v1/analytics/sales-summary", "ordermesh.analytics.v1.AnalyticsService/GetSalesSummary", "analytics"),
        ("/v1/pipeline/status", "ordermesh.gateway.v1.PipelineService/GetStatus", "gateway"),
        ("/orders", "ordermesh.orders.v1.OrderService/StreamOrders", "orders"),
    ],
)
def test_every_service_has_a_span_of_a_call(
    platform: Platform, collector: OtlpReceiver, path: str, method: str, service: str
) -> None:
    trace_id = secrets.token_hex(16)
    assert platform.curl(path, "-H", f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-01").status == 200
    span = collector.await_span(trace_id, method)
    assert (span.service, span.kind, span.failed) == (service, "SERVER", False)


def test_baggage_of_a_sampled_order_is_a_header_of_its_events(platform: Platform) -> None:
    found = {}
    for flag in ("01", "00"):
        traceparent = f"traceparent: 00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{flag}"
        order = {"customerId": "cust-trace", "items": [ITEM]}
        headers = ("-H", traceparent, "-H", "baggage: shop=berlin,till=7")
        order_id = platform.post("/orders", order, *headers).json["orderId"]
        query = "SELECT baggage FROM event_outbox WHERE key = %s"
        found[flag] = platform.one("orders", query, order_id)[0]
    assert found == {"01": "shop=berlin,till=7", "00": None}


def test_a_refused_call_has_its_status_and_is_no_fault(platform: Platform, collector: OtlpReceiver) -> None:
    trace_id = secrets.token_hex(16)
    platform.post("/orders", {"items": []}, "-H", f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-01")
    span = collector.await_span(trace_id, CREATE_ORDER)
    assert (span.attributes["rpc.response.status_code"], span.failed) == ("INVALID_ARGUMENT", False)
