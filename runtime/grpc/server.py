"""gRPC servers: limits, health, and a graceful drain that fails no request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import addresses
from runtime.authentication import Authentication
from runtime.grpc.async_errors import AsyncErrors
from runtime.grpc.call_ends import Check
from runtime.grpc.connection_age import connection_age
from runtime.grpc.service_tls import ServiceTls
from runtime.grpc.sync_errors import SyncErrors
from runtime.process import descriptors
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.shutdown import DRAIN_GRACE_SECONDS, DRAIN_NOTICE_SECONDS
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics.call_durations import CALL_DURATIONS

if TYPE_CHECKING:
    # The lane is optional: its engine is imported only when it is enabled.
    from runtime.grpc.fast_lane import Lane

# A batch with as many items as the contracts allow; the front proxy refuses larger bodies before.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
MAX_PENDING_CALLS = 100_000
# Enough for every request that has no list: its texts are limited.
SMALL_MESSAGE_BYTES = 64 * 1024
OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Enabled by default in gRPC, which then binds a port in use without an error.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 4096),
    ("grpc.max_metadata_size", 16 * 1024),
    # From 1,000 pending calls, gRPC cancels some at random; admission has to refuse them instead.
    ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
]
STOP_POLL_SECONDS = 0.5
# A threaded server refuses calls beyond this number per thread.
WAITING_PER_THREAD = 32
# Time for the last replies to be sent before connections close.
DRAIN_PAUSE_SECONDS = 0.1


async def set_health(servicer: health.aio.HealthServicer, services: Sequence[str], *, serving: bool) -> None:
    """Set the health of each service and of the whole process."""
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
    authentication: Authentication = "off",
    tls: ServiceTls | None = None,
    checks: Mapping[str, Check] | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    connection_seconds: float = 0,
) -> None:
    """Serve until `stop`, then drain: NOT_SERVING, notice period, finish calls in flight, pause, close.

    The methods of a lane are served on both sockets. `checks` are those of requests before they are decoded, by the
    path of the method. Raises OSError when an address cannot be bound.
    """
    descriptors.raise_or_warn()
    create_metrics(services)
    options = list({**dict(OPTIONS), "grpc.max_receive_message_length": max_message_bytes}.items())
    options += connection_age(connection_seconds)
    server = grpc.aio.server(interceptors=[AsyncErrors(authentication, checks)], options=options)
    register(server)
    healthy = healthy or health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    with addresses.binding(address):
        bind(server, address, tls)
        await server.start()
    if lane is not None:
        await lane.start(register, healthy, options, authentication, checks)
    flushing = threading.Event()
    CALL_DURATIONS.flush_until(flushing)
    await set_health(healthy, services, serving=True)
    logger().info("serving", address=address, services=list(services))
    await stop.wait()
    logger().info("draining", address=address)
    await set_health(healthy, services, serving=False)
    await asyncio.sleep(DRAIN_NOTICE_SECONDS)
    # Concurrently: in sequence they could exceed the grace period of the supervisor.
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
    authentication: Authentication = "off",
    tls: ServiceTls | None = None,
    connection_seconds: float = 0,
) -> None:
    """Serve on threads until `stop`, then drain like `serve_async`. Raises OSError when the address cannot be bound."""
    descriptors.raise_or_warn()
    create_metrics(services)
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
        interceptors=[SyncErrors(authentication)],
        options=[*OPTIONS, *connection_age(connection_seconds)],
        maximum_concurrent_rpcs=threads * WAITING_PER_THREAD,
    )
    register(server)
    healthy = health.HealthServicer(experimental_non_blocking=True)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    with addresses.binding(address):
        bind(server, address, tls)
        server.start()
    CALL_DURATIONS.flush_until(stop)
    for service in ("", *services):
        healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
    logger().info("serving", address=address, services=list(services))
    # A wait without a timeout misses a signal that arrives just as it begins.
    while not stop.wait(STOP_POLL_SECONDS):
        HEARTBEAT.record()
    HEARTBEAT.start_draining()
    logger().info("draining", address=address)
    healthy.enter_graceful_shutdown()
    time.sleep(DRAIN_NOTICE_SECONDS)
    server.stop(DRAIN_GRACE_SECONDS).wait(DRAIN_GRACE_SECONDS + DRAIN_PAUSE_SECONDS)
    time.sleep(DRAIN_PAUSE_SECONDS)
    logger().info("stopped", address=address)


def create_metrics(services: Sequence[str]) -> None:
    """Create the metrics of a server; a counter that appears with its first event would hide this one from rates."""
    metrics.create("grpc")
    for service in services:
        for method in descriptor_pool.Default().FindServiceByName(service).methods:
            metrics.REQUESTS_REFUSED.labels(f"{service}/{method.name}", ErrorReason.Name(ErrorReason.OVERLOADED))


def bind(server: grpc.aio.Server | grpc.Server, address: str, tls: ServiceTls | None) -> None:
    """Bind the address of the server, with TLS on host:port if it is on. Raises OSError when it is in use."""
    try:
        if tls is None or addresses.socket_path(address) is not None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, tls.server_credentials())
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if bound == 0:
        raise OSError(f"cannot listen on {address}")
