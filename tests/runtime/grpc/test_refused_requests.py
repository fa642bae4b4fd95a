"""A refused request is let go of at once, and its refusal is short, whatever a client wrote into it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.message import DecodeError
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from served_kinds import serving

from runtime.errors import InvalidRequest, NotFound, Violation

SERVICE = "test.Refusals"
UNARY = f"/{SERVICE}/Unary"
CALLS = 20


class Request:
    """A request that can be watched."""

    def __init__(self, data: bytes) -> None:
        if data == b"unreadable":
            raise DecodeError("no message")
        self.text = data.decode()

    def refused(self) -> Exception:
        """Return an error that repeats what the client wrote."""
        if self.text.startswith("unknown"):
            return NotFound(ErrorReason.PATH_NOT_FOUND, self.text, metadata={"text": self.text})
        return InvalidRequest([Violation(self.text, self.text)] * 30)


class Handlers:
    """Refuse every request, and remember which of them are alive."""

    def __init__(self) -> None:
        self.requests: weakref.WeakSet[Request] = weakref.WeakSet()

    def read(self, data: bytes) -> Request:
        request = Request(data)
        self.requests.add(request)
        return request

    async def unary(self, request: Request, context: Any) -> bytes:
        raise request.refused()

    async def stream(self, request: Request, context: Any) -> AsyncIterator[bytes]:
        yield b""
        raise request.refused()

    def unary_on_a_thread(self, request: Request, context: Any) -> bytes:
        raise request.refused()

    def stream_on_a_thread(self, request: Request, context: Any) -> Iterator[bytes]:
        yield b""
        raise request.refused()

    def registered(self, server: Any) -> None:
        self._register(server, self.unary, self.stream)

    def registered_on_threads(self, server: Any) -> None:
        self._register(server, self.unary_on_a_thread, self.stream_on_a_thread)

    def _register(self, server: Any, unary: Any, stream: Any) -> None:
        methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary, self.read),
            "Stream": grpc.unary_stream_rpc_method_handler(stream, self.read),
        }
        server.add_registered_method_handlers(SERVICE, methods)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize(
    ("kind", "method"),
    [("asyncio", "Unary"), ("asyncio", "Stream"), ("lane", "Unary"), ("threads", "Unary"), ("threads", "Stream")],
)
async def test_a_refused_request_is_not_held_after_its_call(kind: str, method: str) -> None:
    handlers = Handlers()
    async with serving(kind, handlers, UNARY) as channel:
        for _ in range(CALLS):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async for _ in channel.unary_stream(f"/{SERVICE}/{method}")(b"request"):
                    pass
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        # The end of the last call may still be on its way.
        assert len(handlers.requests) <= 1


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
async def test_a_request_that_cannot_be_decoded_is_refused_as_invalid(kind: str) -> None:
    async with serving(kind, Handlers(), UNARY) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(UNARY)(b"unreadable")
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "must be a valid message" in str(refused.value.details())


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
@pytest.mark.parametrize("text", ["unknown", "field"])
@pytest.mark.parametrize("character", ["a", "\u00e9", "\U0001f600", "\n"])
async def test_the_trailers_of_a_refusal_are_short_whatever_a_client_wrote(
    kind: str, text: str, character: str
) -> None:
    """Beyond 64 KiB a front proxy closes the connection to the service, and with it the streams of other clients."""
    async with serving(kind, Handlers(), UNARY) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(UNARY)(text.encode() + character.encode() * 50_000)
    assert text in str(refused.value.details())
    message = quote(str(refused.value.details()))
    sizes = [len(key) + len(value) * 4 / 3 for key, value in refused.value.trailing_metadata() or ()]
    assert len(message) + sum(sizes) < 8 * 1024


@pytest.mark.parametrize("kind", ["asyncio", "lane", "threads"])
async def test_the_refusal_of_an_unknown_method_does_not_repeat_its_name(kind: str) -> None:
    async with serving(kind, Handlers(), UNARY) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(f"/{SERVICE}/{'x' * 7_000}")(b"")
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "xxx" not in str(refused.value.details())
