"""A connection that has reached its age ends without failing a call, and its client connects again."""

import asyncio
from typing import Any

import grpc
import ordermesh.gateway.v1.pipeline_pb2  # noqa: F401  # defines the service

from runtime.grpc import server
from stack.machine import ports

SERVICE = "ordermesh.gateway.v1.PipelineService"


async def whence(request: bytes, context: Any) -> bytes:
    return bytes(context.peer(), "ascii")


def registered(serving: Any) -> None:
    handlers = {"Whence": grpc.unary_unary_rpc_method_handler(whence)}
    serving.add_registered_method_handlers(SERVICE, handlers)


async def test_a_client_connects_again_and_no_call_fails() -> None:
    stop, address = asyncio.Event(), f"127.0.0.1:{ports.allocate(1)[0]}"
    serving = asyncio.create_task(server.serve_async(address, [SERVICE], registered, stop, connection_seconds=0.2))
    seen = set()
    async with grpc.aio.insecure_channel(address) as channel:
        while len(seen) < 3:
            seen.add(await channel.unary_unary(f"/{SERVICE}/Whence")(b"", timeout=30, wait_for_ready=True))
            await asyncio.sleep(0.01)
    stop.set()
    await serving
