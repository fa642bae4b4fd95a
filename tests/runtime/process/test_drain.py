"""A drain: what is in flight is finished, on all servers of a process at once, in the time that a supervisor gives."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
import ordermesh.gateway.v1.pipeline_pb2  # noqa: F401  # defines the service
import pytest

from runtime.exit_codes import ExitCode
from runtime.grpc import server
from runtime.grpc.fast_lane import Lane
from runtime.process import shutdown

# Of the contracts, since the metrics of a server are by their methods.
SERVICE = "ordermesh.gateway.v1.PipelineService"


class Handlers:
    """Calls on the lane, each of which ends when the other server takes no more calls, and the other way round."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.free = asyncio.Event()

    async def waits(self, request: bytes, context: Any) -> bytes:
        self.begun.set()
        await self.free.wait()
        return b"finished"

    async def pings(self, request: bytes, context: Any) -> bytes:
        return b"pong"

    def registered(self, server: Any) -> None:
        unary = grpc.unary_unary_rpc_method_handler
        server.add_registered_method_handlers(SERVICE, {"Wait": unary(self.waits), "Ping": unary(self.pings)})


async def refuses(channel: grpc.aio.Channel) -> None:
    """Return when the server takes no more calls."""
    while True:
        try:
            await channel.unary_unary(f"/{SERVICE}/Ping")(b"", timeout=5)
        except grpc.aio.AioRpcError:
            return
        await asyncio.sleep(0.02)


async def test_the_lane_and_the_server_drain_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DRAIN_NOTICE_SECONDS", 0.1)
    handlers, stop = Handlers(), asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="om-d-", dir="/tmp") as folder:
        address, lane_address = f"unix:{Path(folder) / 's'}", f"unix:{Path(folder) / 'l'}"
        lane = Lane(lane_address, [f"/{SERVICE}/Wait"])
        serving = asyncio.create_task(server.serve_async(address, [SERVICE], handlers.registered, stop, lane=lane))
        async with grpc.aio.insecure_channel(address) as slow, grpc.aio.insecure_channel(lane_address) as fast:
            call = fast.unary_unary(f"/{SERVICE}/Wait")(b"", timeout=60, wait_for_ready=True)
            await handlers.begun.wait()
            stop.set()
            # The call on the lane goes on until the server has begun to stop: one after the other would never end it.
            await refuses(slow)
            handlers.free.set()
            assert await call == b"finished"
        await serving


DEAF = """
import threading
from runtime.process.shutdown import on_signal
on_signal(0.2)
print("up", flush=True)
threading.Event().wait()
"""


def test_a_process_that_does_not_drain_exits() -> None:
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (ExitCode.NOT_DRAINED, "not drained within 0.2 s, exiting\n")


def test_each_level_waits_longer_than_the_level_below() -> None:
    drain = shutdown.DRAIN_NOTICE_SECONDS + shutdown.DRAIN_GRACE_SECONDS + 2 * server.DRAIN_PAUSE_SECONDS
    assert drain < shutdown.DRAIN_SECONDS < shutdown.SUPERVISOR_SECONDS < shutdown.STOP_SECONDS
