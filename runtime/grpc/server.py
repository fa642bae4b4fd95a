"""gRPC servers: limits, health, and the drain that fails no request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from runtime import addresses
from runtime.grpc.error_mapping import AsyncErrors, SyncErrors
from runtime.process import descriptors
from runtime.process.shutdown import DRAIN_GRACE_SECONDS, DRAIN_NOTICE_SECONDS
from runtime.telemetry.call_durations import CALL_TIMES
from runtime.telemetry.logging import logger

if TYPE_CHECKING:
    # The lane is an extra: without it nothing of its engine is loaded.
    from runtime.grpc.fast_lane import Lane

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_PENDING_CALLS = 100_000
OPTIONS: list[tuple[str, int]] = [
    # On by default in gRPC, and then a port that is taken binds silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 4096),
    ("grpc.max_metadata_size", 16 * 1024),
    # With 1,000 calls that no handler has seen yet gRPC cancels some at random; it is admission that refuses.
    ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
]
STOP_POLL_SECONDS = 0.5
# A threaded server refuses calls beyond this many waiting for each of its threads.
WAITING_PER_THREAD = 32
# Time for the last replies to leave before connections close.
DRAIN_PAUSE_SECONDS = 0.1


async def set_health(servicer: health.aio.HealthServicer, services: Sequence[str], *, serving: bool) -> None:
    """Say for each service, and for the process as a whole, whether it serves."""
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for service in ("", *services):
        await servicer.set(service, status)


async def serve_async(
    address: str,
    services: Sequence[str],
    register: Callable[[grpc.aio.Server], None],
    stop: asyncio.Event,
    healthy: health.aio.HealthServicer | None = None,
    lane: Lane | None = None,
) -> None:
    """Serve until `stop`, then drain: NOT_SERVING, one notice, finish what is in flight, pause, close.

    The methods of a lane are served there too. Raises OSError when an address cannot be bound.
    """
    descriptors.raise_or_warn()
    server = grpc.aio.server(interceptors=[AsyncErrors()], options=OPTIONS)
    register(server)
    healthy = healthy or health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    with addresses.binding(address):
        bind(server, address)
        await server.start()
    if lane is not None:
        await lane.start(register, healthy, OPTIONS)
    flushing = threading.Event()
    CALL_TIMES.flush_until(flushing)
    await set_health(healthy, services, serving=True)
    logger().info("serving", address=address, services=list(services))
    await stop.wait()
    logger().info("draining", address=address)
    await set_health(healthy, services, serving=False)
    await asyncio.sleep(DRAIN_NOTICE_SECONDS)
    # Both at once: one after the other would take twice the time that a supervisor gives.
    lanes = [] if lane is None else [lane.drain(DRAIN_GRACE_SECONDS, DRAIN_PAUSE_SECONDS)]
    await asyncio.gather(server.stop(DRAIN_GRACE_SECONDS), *lanes)
    await asyncio.sleep(DRAIN_PAUSE_SECONDS)
    flushing.set()
    logger().info("stopped", address=address)


def serve_sync(
    address: str,
    services: Sequence[str],
    register: Callable[[grpc.Server], None],
    stop: threading.Event,
    threads: int,
) -> None:
    """Serve on threads until `stop`, then drain as `serve_async` does. Raises OSError when it cannot bind."""
    descriptors.raise_or_warn()
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
        interceptors=[SyncErrors()],
        options=OPTIONS,
        maximum_concurrent_rpcs=threads * WAITING_PER_THREAD,
    )
    register(server)
    healthy = health.HealthServicer(experimental_non_blocking=True)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    with addresses.binding(address):
        bind(server, address)
        server.start()
    CALL_TIMES.flush_until(stop)
    for service in ("", *services):
        healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
    logger().info("serving", address=address, services=list(services))
    # A wait without an end sleeps through a signal that comes just as it begins.
    while not stop.wait(STOP_POLL_SECONDS):
        pass
    logger().info("draining", address=address)
    healthy.enter_graceful_shutdown()
    time.sleep(DRAIN_NOTICE_SECONDS)
    server.stop(DRAIN_GRACE_SECONDS).wait(DRAIN_GRACE_SECONDS + DRAIN_PAUSE_SECONDS)
    time.sleep(DRAIN_PAUSE_SECONDS)
    logger().info("stopped", address=address)


def bind(server: grpc.aio.Server | grpc.Server, address: str) -> None:
    """Bind the server's one port. Raises OSError when it is taken."""
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if bound == 0:
        raise OSError(f"cannot listen on {address}")
