"""The spans that Envoy sends: to whom, with which names, and of which requests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from certificates import certificate
from envoy_front import Front
from frontdoor.policies.tracing import tracing_of
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from waiting import await_true

from runtime.telemetry.tracing.settings import TracingSettings


@pytest.fixture(scope="module")
def collector(folder: Path) -> Iterator[OtlpReceiver]:
    with otlp_receiver(f"unix:{folder / 'otlp.sock'}") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def exporting(folder: Path, backend: object, collector: OtlpReceiver) -> Iterator[Front]:
    front = Front(folder, tracing=tracing_of(settings(collector, traces_sampler="parentbased_always_on")))
    yield front
    front.stop()


def settings(collector: OtlpReceiver, **more: object) -> TracingSettings:
    return TracingSettings(otlp_endpoint=collector.endpoint, resource_attributes="region=n", **more)  # type: ignore[arg-type]


def sampled(flag: str = "01") -> tuple[str, str]:
    """Return a new trace id and the header that continues it."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-{flag}"


def only_span(collector: OtlpReceiver, trace_id: str) -> ReceivedSpan:
    await_true(lambda: collector.trace(trace_id), "the span arrives")
    (span,) = collector.trace(trace_id)
    return span


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/orders", "/ordermesh.orders.v1.OrderService/StreamOrders"),
        ("/v1/orders/019a0000-0000-7000-8000-000000000000", "/ordermesh.orders.v1.OrderService/GetOrder"),
        # Refused before it becomes a call.
        ("/v1/orders/019a0000-0000-7000-8000-000000000000?colour=red", "GET /v1/orders/{order_id}"),
    ],
)
def test_a_rest_call_has_a_span_with_the_name_of_its_method_or_else_of_its_route(
    exporting: Front, collector: OtlpReceiver, path: str, name: str
) -> None:
    trace_id, traceparent = sampled()
    exporting.curl(path, "-H", f"traceparent: {traceparent}")
    span = only_span(collector, trace_id)
    assert (span.name, span.kind, span.parent_id) == (name, "SERVER", traceparent.split("-")[2])
    # "n" is a word that Envoy's YAML reader takes for a boolean unless it is quoted.
    assert (span.service, span.resource["service.namespace"], span.resource["region"]) == ("envoy", "ordermesh", "n")


def test_a_grpc_call_has_a_span_with_the_name_of_its_method(exporting: Front, collector: OtlpReceiver) -> None:
    trace_id, traceparent = sampled()
    with grpc.insecure_channel(exporting.target) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        stub.CreateOrder(orders_pb2.CreateOrderRequest(), metadata=[("traceparent", traceparent)])
    assert only_span(collector, trace_id).name == "/ordermesh.orders.v1.OrderService/CreateOrder"


def test_a_trace_that_its_client_does_not_sample_has_no_span(exporting: Front, collector: OtlpReceiver) -> None:
    (quiet, unsampled), (seen, traceparent) = sampled("00"), sampled()
    for header in (unsampled, traceparent):
        exporting.post("/orders", "{}", "-H", f"traceparent: {header}")
    only_span(collector, seen)
    assert collector.trace(quiet) == []


def test_baggage_reaches_the_service_as_it_is(exporting: Front, backend: object) -> None:
    exporting.post("/orders", "{}", "-H", "baggage: shop=berlin;public,till=%207")
    assert backend.seen.metadata["baggage"] == "shop=berlin;public,till=%207"  # type: ignore[attr-defined]


def test_spans_go_over_tls_to_the_host_of_the_endpoint_with_its_headers(
    start_front: Callable[..., Front], tmp_path: Path
) -> None:
    certificate(tmp_path, "authority")
    key, chain = certificate(tmp_path, "collector", signer="authority")
    credentials = grpc.ssl_server_credentials([(key.encode(), chain.encode())])

    def bind(server: grpc.Server, address: str) -> int:
        return server.add_secure_port(address, credentials)

    with otlp_receiver(bind=bind) as receiver:
        tracing = TracingSettings(
            otlp_endpoint=receiver.endpoint.replace("http:", "https:"),
            otlp_certificate=tmp_path / "authority.pem",
            otlp_headers="x-tenant=shop%201",  # type: ignore[arg-type]  # pydantic makes it a secret
        )
        front = start_front(tracing=tracing_of(tracing))
        trace_id, traceparent = sampled()
        front.post("/orders", "{}", "-H", f"traceparent: {traceparent}")
        only_span(receiver, trace_id)
        assert receiver.calls[0]["x-tenant"] == "shop 1"
