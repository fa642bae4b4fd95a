"""However a call ends it is timed, with the status it ended with: on asyncio servers, on the lane, on threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from served_kinds import serving

from runtime.grpc import call_ends
from runtime.telemetry.metrics import call_durations

SERVICE = "test.Ends"
UNARY = f"/{SERVICE}/Unary"
KINDS = ["asyncio", "lane", "threads"]


class Handlers:
    """Calls that go on until their client is gone; `begun` and `gone` tell both."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gone = threading.Event()

    async def waits(self, request: bytes, context: Any) -> bytes:
        self.begun.set()
        await asyncio.Event().wait()
        return b""

    async def streams(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        self.begun.set()
        await asyncio.Event().wait()

    def waits_on_a_thread(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(self.gone.set)
        self.begun.set()
        self.gone.wait(20)
        return b""

    def streams_on_a_thread(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.gone.set)
        yield b"first"
        self.begun.set()
        self.gone.wait(20)
        yield b"second"
        yield b"third"

    def registered(self, server: Any) -> None:
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        server.add_registered_method_handlers(SERVICE, {"Unary": unary(self.waits), "Stream": stream(self.streams)})

    def registered_on_threads(self, server: grpc.Server) -> None:
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        handlers = {"Unary": unary(self.waits_on_a_thread), "Stream": stream(self.streams_on_a_thread)}
        server.add_registered_method_handlers(SERVICE, handlers)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> call_durations.CallDurations:
    """The times of this test's calls only."""
    times = call_durations.CallDurations()
    monkeypatch.setattr(call_ends, "CALL_DURATIONS", times)
    return times


async def until_timed(times: call_durations.CallDurations) -> tuple[str, str]:
    while not times._times:  # noqa: ASYNC110  # nothing tells that a call was timed
        await asyncio.sleep(0.001)
    ((method, code, _),) = times._times
    return method, code


@pytest.mark.parametrize("kind", KINDS)
async def test_a_unary_call_that_its_client_cancels_is_timed_as_cancelled(
    kind: str, timed: call_durations.CallDurations
) -> None:
    handlers = Handlers()
    async with serving(kind, handlers, UNARY) as channel:
        call = channel.unary_unary(f"/{SERVICE}/Unary")(b"")
        started = asyncio.ensure_future(call.code())
        await asyncio.to_thread(handlers.begun.wait, 20)
        call.cancel()
        assert await until_timed(timed) == (f"/{SERVICE}/Unary", "CANCELLED")
        assert await started == grpc.StatusCode.CANCELLED


@pytest.mark.parametrize("kind", KINDS)
async def test_a_unary_call_whose_deadline_passes_counts_as_that(
    kind: str, timed: call_durations.CallDurations
) -> None:
    async with serving(kind, Handlers(), UNARY) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(f"/{SERVICE}/Unary")(b"", timeout=0.3)
        assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert await until_timed(timed) == (f"/{SERVICE}/Unary", "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
async def test_a_stream_that_its_client_leaves_is_timed_as_cancelled(
    kind: str, timed: call_durations.CallDurations
) -> None:
    handlers = Handlers()
    async with serving(kind, handlers, UNARY) as channel:
        call = channel.unary_stream(f"/{SERVICE}/Stream")(b"")
        assert await call.read() == b"first"
        await asyncio.to_thread(handlers.begun.wait, 20)
        call.cancel()
        assert await until_timed(timed) == (f"/{SERVICE}/Stream", "CANCELLED")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("x-ordermesh-client", "operator:o"),), grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_with_authentication_a_method_that_the_contracts_do_not_open_is_closed_on_every_server(
    kind: str, headers: tuple[tuple[str, str], ...], code: grpc.StatusCode
) -> None:
    handlers = Handlers()
    async with serving(kind, handlers, UNARY, "keys") as channel:
        calls: list[Any] = [channel.unary_unary(f"/{SERVICE}/Unary")(b"", metadata=headers)]
        if kind != "lane":
            calls.append(channel.unary_stream(f"/{SERVICE}/Stream")(b"", metadata=headers).read())
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == code
    assert not handlers.begun.is_set()
