"""Real gRPC servers that tell a world of events, on Unix sockets of their own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2_grpc
from pipeline_world import AnalyticsLedger, OrderLedger, World

from gateway import public
from gateway.backends import Analytics, Orders

SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass
class Servers:
    world: World
    orders: grpc.aio.Server
    analytics: grpc.aio.Server
    orders_target: str
    analytics_target: str


@pytest.fixture
def run_folder() -> Iterator[Path]:
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


@pytest.fixture
async def servers(run_folder: Path) -> AsyncIterator[Servers]:
    world = World()
    targets = f"unix:{run_folder}/orders.sock", f"unix:{run_folder}/analytics.sock"
    orders = await serve(targets[0], public.ORDERS)
    analytics = await serve(targets[1], public.ANALYTICS)
    ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedger(world), orders)
    ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedger(world), analytics)
    await orders.start()
    await analytics.start()
    yield Servers(world, orders, analytics, *targets)
    await orders.stop(None)
    await analytics.stop(None)


@pytest.fixture
async def orders(servers: Servers, run_folder: Path) -> AsyncIterator[Orders]:
    backend = Orders([f"unix:{run_folder}/nobody.sock", servers.orders_target])
    yield backend
    await backend.close()


@pytest.fixture
async def analytics(servers: Servers) -> AsyncIterator[Analytics]:
    backend = Analytics([servers.analytics_target])
    yield backend
    await backend.close()
