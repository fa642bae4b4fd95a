"""A service that no channel finds any more, as after its name had no address for long, is looked for anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from lost_clients import NOBODY
from ordermesh.internal.v1 import process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthRequest, GetProcessHealthResponse

from gateway.backends import grpc_backend
from gateway.backends.grpc_backend import Backend

ASK_SECONDS = 5.0


class Healthy(process_pb2_grpc.ProcessServiceServicer):
    async def GetProcessHealth(self, request: GetProcessHealthRequest, context: Any) -> GetProcessHealthResponse:
        return GetProcessHealthResponse()


@pytest.fixture
async def target() -> AsyncIterator[str]:
    server = grpc.aio.server()
    process_pb2_grpc.add_ProcessServiceServicer_to_server(Healthy(), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where channels were led: the first to nobody."""
    led_to: list[str] = []
    really = grpc_backend.open_channel

    def open_channel(target: str, tls: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
        led_to.append(target if led_to else NOBODY)
        return really(led_to[-1], tls)

    monkeypatch.setattr(grpc_backend, "open_channel", open_channel)
    return led_to


async def has_process(backend: Backend) -> bool:
    (process,) = await backend.processes(ASK_SECONDS, lambda error: error.details() or "no answer")
    return process.health is not None


async def answers(backend: Backend) -> bool:
    try:
        await backend.unary("GetProcessHealth", GetProcessHealthRequest(), GetProcessHealthResponse, ASK_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return True


async def streams(backend: Backend) -> bool:
    try:
        async for _ in backend.each("Watch", health_pb2.HealthCheckRequest(), health_pb2.HealthCheckResponse):
            return True
    except grpc.aio.AioRpcError:
        return False
    return False


@pytest.mark.parametrize("asks", [has_process, answers, streams])
async def test_channels_that_find_no_target_for_a_while_are_opened_anew(
    target: str, opened: list[str], monkeypatch: pytest.MonkeyPatch, asks: Callable[[Backend], Awaitable[bool]]
) -> None:
    stub = health_pb2_grpc.HealthStub if asks is streams else process_pb2_grpc.ProcessServiceStub
    backend = Backend([target], stub)
    assert [await asks(backend) for _ in range(3)] == [False] * 3
    assert opened == [NOBODY]
    monkeypatch.setattr(grpc_backend, "REOPEN_AFTER_SECONDS", 0.0)
    assert [await asks(backend) for _ in range(2)] == [False, True]
    assert [await asks(backend) for _ in range(3)] == [True] * 3
    assert opened == [NOBODY, target]
    await backend.close()
