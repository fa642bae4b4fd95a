"""Real gRPC servers that tell a world of events, on Unix sockets of their own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc
from pipeline_world import AnalyticsLedger, OrderLedger, ProcessHealth, World

from gateway.web import contract_files

SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass
class Servers:
    world: World
    orders: grpc.aio.Server
    analytics: grpc.aio.Server
    orders_target: str
    analytics_target: str


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder whose path leaves room for the names of sockets."""
    folder = Path(tempfile.mkdtemp(prefix="om-gw-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


async def serve(target: str, services: tuple[str, ...]) -> grpc.aio.Server:
    server = grpc.aio.server()
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    for service in services:
        await healthy.set(service, SERVING)
    server.add_insecure_port(target)
    return server


@asynccontextmanager
async def serving_a_world(folder: Path) -> AsyncIterator[Servers]:
    world = World()
    targets = f"unix:{folder}/orders.sock", f"unix:{folder}/analytics.sock"
    orders = await serve(targets[0], contract_files.ORDERS)
    analytics = await serve(targets[1], contract_files.ANALYTICS)
    ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedger(world), orders)
    ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedger(world), analytics)
    for server, said in ((orders, lambda: world.orders_process), (analytics, lambda: world.analytics_process)):
        process_pb2_grpc.add_ProcessServiceServicer_to_server(ProcessHealth(said), server)
    await orders.start()
    await analytics.start()
    yield Servers(world, orders, analytics, *targets)
    await orders.stop(None)
    await analytics.stop(None)
