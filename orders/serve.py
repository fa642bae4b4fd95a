"""One serving process of the orders service."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import psycopg
import uvloop
from ordermesh.orders.v1.orders_pb2 import Order
from psycopg_pool import PoolTimeout

from orders.api import item_counts
from orders.api.load_metrics import DATABASE
from orders.outbox.readings import OUTBOX_SOURCE
from orders.services import Services
from orders.settings import ServeSettings
from runtime.backoff import Backoff
from runtime.exit_codes import ExitCode
from runtime.grpc.server import serve_async
from runtime.postgres.connections import async_pool
from runtime.postgres.readings import SERVER, TABLES, DatabaseReader
from runtime.process import heartbeat
from runtime.process.background import BackgroundEnded, serve_with_tasks
from runtime.process.child import run_child
from runtime.process.garbage_collection import RareCollector
from runtime.process.shutdown import on_signal_async, stops_within
from runtime.telemetry import logging, metrics
from runtime.telemetry.metrics.component_metric import Component
from runtime.telemetry.metrics.event_loop_delay import measure_delay
from runtime.telemetry.outage import Outage
from runtime.telemetry.tracing.tracer import TRACER

if TYPE_CHECKING:
    from runtime.grpc.fast_lane import Lane

PUBLIC = ("ordermesh.orders.v1.OrderService", "ordermesh.orders.v1.InventoryService")
FIRST_STATUSES = (Order.CREATED, Order.PENDING_RESTOCK)
COMPONENTS: tuple[Component, ...] = ("orders", "database", "maintenance")
# The methods of the fast lane, if there is one; Envoy routes them to it.
HOT_METHODS = tuple(
    f"/ordermesh.orders.v1.OrderService/{name}"
    for name in ("CreateOrder", "BatchCreateOrders", "GetOrder", "ListOrders")
)
BACKOFF = Backoff(first_seconds=0.2, max_seconds=2.0)
# Orders allocate many objects and few cycles; with the default of 700 the collector runs every few orders.
COLLECT_AFTER_OBJECTS = 50_000


def run(index: int) -> None:
    """Serve as the process with an index, until SIGTERM."""
    settings = ServeSettings.load()
    logging.configure("orders", settings)
    for component in COMPONENTS:
        metrics.create(component)
    for status in FIRST_STATUSES:
        metrics.ORDERS_ACCEPTED.labels(Order.Status.Name(status))
    try:
        with TRACER.started("orders", settings):
            uvloop.run(serve(settings, index))
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


async def serve(settings: ServeSettings, index: int) -> None:
    """Serve, with background tasks, until SIGTERM."""
    stop = on_signal_async()
    dsn = settings.orders_dsn.get_secret_value()
    process = f"orders-{index}@{socket.gethostname()}"
    pool = async_pool(dsn, f"ordermesh-{process}", settings.orders_pool_size, settings.postgres_pooler)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pool)
        services = Services(settings, process, pool, stop)
        if not await wait_for_database(services, stop):
            return
        if index == 0:
            # The values are those of the database, the same in every process.
            reading_ends = threading.Event()
            stack.callback(reading_ends.set)
            DatabaseReader(dsn, DATABASE, settings.postgres_pooler, (OUTBOX_SOURCE, SERVER, TABLES)).start(reading_ends)
        # Its garbage is collected between heartbeats, and the load recorded.
        beating = heartbeat.beat(stop, RareCollector(COLLECT_AFTER_OBJECTS).collect, services.record_load)
        serving = serve_async(
            settings.orders_listen.format(index=index),
            PUBLIC,
            services.register,
            stop,
            lane=fast_lane(settings.orders_lane_listen.format(index=index)),
            authentication=settings.auth,
            tls=settings.service_tls,
            checks=item_counts.CHECKS,
            connection_seconds=settings.connection_seconds,
        )
        tasks = {"heartbeat": beating, "event loop delay": measure_delay(), **services.tasks()}
        await serve_with_tasks(tasks, serving, stop)


def fast_lane(address: str) -> Lane | None:
    """Return the fast lane at an address, None without one; imports its gRPC implementation only when needed."""
    if not address:
        return None
    from runtime.grpc.fast_lane import Lane

    return Lane(address, HOT_METHODS)


async def wait_for_database(services: Services, stop: asyncio.Event) -> bool:
    """Retry until the services are connected; return False when the process is stopped before."""
    outage = Outage("connecting to the database")
    while not stop.is_set():
        try:
            await services.connect()
        except (psycopg.OperationalError, PoolTimeout) as error:
            await stops_within(stop, BACKOFF.delay_seconds(outage.begins(error)))
        else:
            outage.ends()
            return True
    return False


if __name__ == "__main__":
    run_child(run)
