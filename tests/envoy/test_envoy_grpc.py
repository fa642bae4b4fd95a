from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from envoy_backend import ORDER_ID, ORDERS, PIPELINE, Backend
from envoy_front import Front, reason_of
from google.rpc import error_details_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc


@pytest.fixture
def channel(front: Front) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(front.target) as channel:
        yield channel


def refused(call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def order_of(customer_id: str) -> orders_pb2.CreateOrderRequest:
    return orders_pb2.CreateOrderRequest(customer_id=customer_id)


def test_every_service_answers_on_the_one_port(channel: grpc.Channel) -> None:
    assert orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(order_of("grace")).order_id == ORDER_ID
    summary = analytics_pb2_grpc.AnalyticsServiceStub(channel).GetSalesSummary(analytics_pb2.GetSalesSummaryRequest())
    assert summary.orders_total == 1
    watch = pipeline_pb2_grpc.PipelineServiceStub(channel).WatchStatus(pipeline_pb2.WatchStatusRequest(interval_ms=3))
    assert [sent.revision for sent in watch] == [1, 2, 3]


def test_an_error_of_a_service_arrives_with_its_details(channel: grpc.Channel) -> None:
    error = refused(orders_pb2_grpc.OrderServiceStub(channel).CreateOrder, order_of("refused"))
    status = rpc_status.from_call(error)
    assert (status.code, status.message) == (3, '1 field is invalid: items[0].quantity: must be "1" or more')
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "INVALID_FIELD"


def test_an_internal_service_is_unimplemented(channel: grpc.Channel) -> None:
    stub = ledger_pb2_grpc.OrderLedgerServiceStub(channel)
    error = refused(stub.GetOrderProgress, ledger_pb2.GetOrderProgressRequest())
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "no such method" in error.details()


def test_reflection_and_health_answer_for_the_front_proxy(channel: grpc.Channel) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answer = next(stub.ServerReflectionInfo(iter([asked])))
    assert PIPELINE in [service.name for service in answer.list_services_response.service]
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=PIPELINE))
    assert check.status == health_pb2.HealthCheckResponse.SERVING


def test_a_reflection_stream_answers_while_the_client_keeps_it_open(channel: grpc.Channel) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers: list[Any] = []

    def requests() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield asked
        while not answers:
            yield asked

    stream = stub.ServerReflectionInfo(requests())
    answers.append(next(stream))
    assert answers[0].HasField("list_services_response")


def test_a_grpc_web_call_answers_with_message_and_trailers(front: Front) -> None:
    message = order_of("web").SerializeToString()
    frame = base64.b64encode(b"\0" + len(message).to_bytes(4, "big") + message).decode()
    headers = ("-H", "content-type: application/grpc-web-text", "-H", "accept: application/grpc-web-text")
    answer = front.curl(f"/{ORDERS}/CreateOrder", "-d", frame, *headers, "-H", "origin: http://localhost:3000")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/grpc-web-text+proto")
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    body = b"".join(base64.b64decode(part + b"=") for part in answer.body.split(b"=") if part)
    assert ORDER_ID.encode() in body
    assert b"grpc-status:0" in body


@pytest.mark.parametrize(
    "content_type", ["application/grpc-web+proto", "application/grpc-web-text", "application/grpc"]
)
def test_a_refusal_over_grpc_web_has_the_code_and_details_of_grpc(front: Front, content_type: str) -> None:
    asked = ("-X", "POST", "-H", f"content-type: {content_type}", "-d", "AAAAAAA=")
    for path, host, code, reason in (
        ("/no.such.Service/Method", "localhost", 12, "PATH_NOT_FOUND"),
        (f"/{ORDERS}/CreateOrder", "evil.example", 7, "HOST_NOT_ALLOWED"),
    ):
        answer = front.curl(path, *asked, "-H", f"host: {host}")
        assert (answer.status, answer.body, answer.headers["grpc-status"]) == (200, b"", str(code))
        info = ErrorInfo()
        assert Status.FromString(base64.b64decode(answer.headers["grpc-status-details-bin"])).details[0].Unpack(info)
        assert info.reason == reason
        assert answer.headers["grpc-message"]


def test_a_large_body_is_out_of_range(channel: grpc.Channel) -> None:
    error = refused(orders_pb2_grpc.OrderServiceStub(channel).CreateOrder, order_of("x" * 300_000))
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert "at most 262144 bytes" in error.details()
    assert reason_of(error) == "REQUEST_TOO_LARGE"


def test_a_batch_may_be_larger_than_other_bodies(channel: grpc.Channel) -> None:
    call = orders_pb2_grpc.OrderServiceStub(channel).BatchCreateOrders
    assert call(orders_pb2.BatchCreateOrdersRequest(requests=[order_of("x" * 2_000_000)])).accepted_count == 1
    error = refused(call, orders_pb2.BatchCreateOrdersRequest(requests=[order_of("x" * 9_000_000)]))
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE


def test_a_deadline_ends_the_call_behind_envoy_too(front: Front, backend: Backend) -> None:
    message = order_of("slow").SerializeToString()
    body = front.access_log.parent / "slow.bin"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    backend.seen.cancelled.clear()
    # curl, since a gRPC client would end the call itself.
    answer = front.curl(
        f"/{ORDERS}/CreateOrder",
        "--http2-prior-knowledge",
        *("-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "grpc-timeout: 200m"),
        *("--data-binary", f"@{body}"),
    )
    assert answer.headers["grpc-status"] == "4"
    assert backend.seen.cancelled.wait(5)


def test_a_compressed_call_passes_as_it_is(front: Front) -> None:
    with grpc.insecure_channel(front.target, compression=grpc.Compression.Gzip) as channel:
        answer = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(order_of("x" * 10_000))
    assert answer.customer_id == "x" * 10_000
