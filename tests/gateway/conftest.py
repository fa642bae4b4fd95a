"""Servers that tell a world of events, and clients of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ledger_servers import Servers, serving_a_world, short_folder

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.orders import OrdersBackend


@pytest.fixture
def run_folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
async def servers(run_folder: Path) -> AsyncIterator[Servers]:
    async with serving_a_world(run_folder) as serving:
        yield serving


@pytest.fixture
async def orders(servers: Servers, run_folder: Path) -> AsyncIterator[OrdersBackend]:
    backend = OrdersBackend([f"unix:{run_folder}/nobody.sock", servers.orders_target])
    yield backend
    await backend.close()


@pytest.fixture
async def analytics(servers: Servers) -> AsyncIterator[AnalyticsBackend]:
    backend = AnalyticsBackend([servers.analytics_target])
    yield backend
    await backend.close()
