"""The spans of calls: on asyncio servers, on the lane and on threads, however the calls end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
from otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from served_kinds import serving

from runtime.errors import InvalidRequest, Violation
from runtime.telemetry.tracing import server_span
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.telemetry.tracing.tracer import TRACER

SERVICE = "test.Spans"
TRACE_ID, CALLER = "a" * 32, "b" * 16
SAMPLED, UNSAMPLED = (("traceparent", f"00-{TRACE_ID}-{CALLER}-{flag}") for flag in ("01", "00"))


def answer(request: bytes) -> bytes:
    """Return the trace context and the baggage that a handler sees, or fail as it is asked to."""
    if request == b"refuse":
        raise InvalidRequest([Violation("request", "must be another")])
    if request == b"break":
        raise RuntimeError("as the test wants it")
    server_span.add_order("order-1")
    return f"{server_span.trace_of([]).traceparent} {server_span.baggage()}".encode()


async def unary(request: bytes, context: Any) -> bytes:
    if request == b"wait":
        await asyncio.Event().wait()
    return answer(request)


async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield answer(request)


def unary_on_a_thread(request: bytes, context: grpc.ServicerContext) -> bytes:
    return answer(request)


def stream_on_a_thread(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield answer(request)


class Handlers:
    """A unary method and a stream, for each kind of server."""

    def registered(self, server: Any) -> None:
        register(server, unary, stream)

    def registered_on_threads(self, server: Any) -> None:
        register(server, unary_on_a_thread, stream_on_a_thread)


def register(server: Any, one: Callable[..., Any], many: Callable[..., Any]) -> None:
    made = {"One": grpc.unary_unary_rpc_method_handler(one), "Many": grpc.unary_stream_rpc_method_handler(many)}
    server.add_registered_method_handlers(SERVICE, made)


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


async def called(
    kind: str, collector: OtlpReceiver, request: bytes, *metadata: tuple[str, str], seconds: float = 20
) -> tuple[str, list[ReceivedSpan]]:
    """Call a server whose tracer is on; return the answer or the name of the status, and the spans."""
    with TRACER.started("test", TracingSettings(otlp_endpoint=collector.endpoint)):
        async with serving(kind, Handlers(), f"/{SERVICE}/One") as channel:
            try:
                reply = await channel.unary_unary(f"/{SERVICE}/One")(request, metadata=metadata, timeout=seconds)
                told = reply.decode()
            except grpc.aio.AioRpcError as error:
                told = error.code().name
    return told, collector.spans


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
async def test_a_sampled_call_has_a_span_whose_context_its_handler_sees(kind: str, collector: OtlpReceiver) -> None:
    told, (span,) = await called(kind, collector, b"x", SAMPLED, ("baggage", "shop=berlin"))
    assert told == f"00-{TRACE_ID}-{span.span_id}-01 shop=berlin"
    assert (span.name, span.kind, span.parent_id, span.failed) == (f"{SERVICE}/One", "SERVER", CALLER, False)
    assert span.attributes["ordermesh.order.id"] == "order-1"


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
@pytest.mark.parametrize(
    ("request_", "status", "failed"), [(b"refuse", "INVALID_ARGUMENT", False), (b"break", "INTERNAL", True)]
)
async def test_the_status_of_a_failed_call_is_in_its_span_and_only_faults_of_the_server_are_errors(
    kind: str, collector: OtlpReceiver, request_: bytes, status: str, failed: bool
) -> None:
    told, (span,) = await called(kind, collector, request_, SAMPLED)
    assert told == span.attributes["rpc.response.status_code"] == status
    assert (span.failed, span.attributes.get("error.type")) == (failed, status if failed else None)


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
@pytest.mark.parametrize(
    "metadata", [(UNSAMPLED,), (), (("traceparent", "garbage-of-the-length-of-a-traceparent-000000000-1"),)]
)
async def test_a_call_that_is_not_sampled_has_no_span(
    kind: str, collector: OtlpReceiver, metadata: tuple[tuple[str, str], ...]
) -> None:
    _, spans = await called(kind, collector, b"x", *metadata)
    assert spans == []


@pytest.mark.parametrize("kind", ["asyncio", "lane"])
async def test_a_call_whose_deadline_passes_is_an_error(kind: str, collector: OtlpReceiver) -> None:
    told, (span,) = await called(kind, collector, b"wait", SAMPLED, seconds=0.3)
    assert told == span.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.failed


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
async def test_a_stream_has_a_span_too(kind: str, collector: OtlpReceiver) -> None:
    with TRACER.started("test", TracingSettings(otlp_endpoint=collector.endpoint)):
        async with serving(kind, Handlers(), f"/{SERVICE}/One") as channel:
            many = channel.unary_stream(f"/{SERVICE}/Many")
            assert [part async for part in many(b"x", metadata=[SAMPLED])]
            with pytest.raises(grpc.aio.AioRpcError):
                [part async for part in many(b"break", metadata=[SAMPLED])]
    assert [one.attributes["rpc.response.status_code"] for one in collector.spans] == ["OK", "INTERNAL"]
    assert {one.name for one in collector.spans} == {f"{SERVICE}/Many"}


async def test_a_call_does_not_see_the_span_of_another(collector: OtlpReceiver) -> None:
    with TRACER.started("test", TracingSettings(otlp_endpoint=collector.endpoint)):
        async with serving("threads", Handlers(), f"/{SERVICE}/One") as channel:
            one = channel.unary_unary(f"/{SERVICE}/One")
            for _ in range(4):
                await one(b"x", metadata=[SAMPLED])
                assert TRACE_ID not in (await one(b"x", metadata=[UNSAMPLED])).decode()
