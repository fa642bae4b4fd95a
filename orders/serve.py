"""One serving process of the orders service."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import psycopg
import uvloop
from ordermesh.internal.v1 import (
    dead_letter_source_pb2_grpc,
    ledger_pb2_grpc,
    process_pb2_grpc,
    timeline_source_pb2_grpc,
)
from ordermesh.orders.v1 import inventory_pb2_grpc, orders_pb2_grpc
from ordermesh.orders.v1.orders_pb2 import Order
from psycopg_pool import PoolTimeout

from orders.api import item_counts
from orders.api.admission import Admission
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.inventory_service import InventoryService
from orders.api.load_metrics import DATABASE, record_load
from orders.api.order_ledger_service import OrderLedgerService
from orders.api.order_service import OrderService
from orders.api.read_admission import ReadAdmission
from orders.domain.clock import DatabaseClock
from orders.outbox.dead_letter_source_service import DeadLetterSourceService
from orders.outbox.notifier import Notifier
from orders.outbox.outbox_event_service import OutboxEventService
from orders.outbox.readings import OUTBOX_SOURCE
from orders.settings import ServeSettings
from orders.stock.backorder_release import BackorderReleases
from orders.stock.product_cache import ProductCache
from orders.stock.release_sweep import ReleaseSweep
from orders.store.maintenance import maintain_partitions
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import StatusTransitions
from runtime.backoff import Backoff
from runtime.exit_codes import ExitCode
from runtime.grpc.server import serve_async
from runtime.postgres.connections import async_pool
from runtime.postgres.readings import SERVER, TABLES, DatabaseReader
from runtime.process.background import BackgroundEnded, serve_with_tasks
from runtime.process.child import run_child
from runtime.process.garbage_collection import RareCollector
from runtime.process.heartbeat import HEARTBEAT, HEARTBEAT_SECONDS
from runtime.process.process_service import AsyncProcessService
from runtime.process.shutdown import on_signal_async, stops_within
from runtime.telemetry import logging, metrics
from runtime.telemetry.metrics.component_metric import Component
from runtime.telemetry.metrics.event_loop_delay import measure_delay
from runtime.telemetry.outage import Outage
from runtime.telemetry.tracing.tracer import TRACER
from runtime.tokens.opaque_token import OpaqueTokens

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
# Admitted calls per waiting read, and per waiting write of one product or order.
ADMITTED_PER_WAITING = 2
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
    """Create the services and background tasks, and serve until SIGTERM."""
    stop = on_signal_async()
    dsn = settings.orders_dsn.get_secret_value()
    process = f"orders-{index}@{socket.gethostname()}"
    async with AsyncExitStack() as stack:
        pooler = settings.postgres_pooler
        pool = async_pool(dsn, f"ordermesh-{process}", settings.orders_pool_size, pooler)
        await stack.enter_async_context(pool)
        clock, notifier, products = DatabaseClock(), Notifier(dsn, pooler), ProductCache(pool)
        writer = Writer(dsn, process, clock, notifier, pooler)
        releases = BackorderReleases(clock)
        transitions = StatusTransitions(products, clock, releases)
        if not await wait_for_database(writer, products, stop):
            return
        admission = Admission(settings.orders_max_in_flight)
        max_waiting = max(1, settings.orders_max_in_flight // ADMITTED_PER_WAITING)
        writes = IdempotentWrites(pool, admission, notifier, releases, max_waiting)
        reads = ReadAdmission(pool, max_waiting)
        tokens = OpaqueTokens(settings.token_keys)
        orders = OrderService(reads, products, writer, transitions, admission, writes, tokens)
        inventory = InventoryService(reads, pool, clock, releases, writes, tokens)
        garbage = RareCollector(COLLECT_AFTER_OBJECTS)
        if index == 0:
            # The values are those of the database, the same in every process.
            reading_ends = threading.Event()
            stack.callback(reading_ends.set)
            DatabaseReader(dsn, DATABASE, pooler, (OUTBOX_SOURCE, SERVER, TABLES)).start(reading_ends)
        tasks = {
            "heartbeat": send_heartbeats(stop, garbage, lambda: record_load(admission, reads, writes, pool)),
            "event loop delay": measure_delay(),
            "writer": writer.run(),
            "notifier": notifier.run(),
            "release sweep": ReleaseSweep(pool, releases, notifier).run(),
            "partition maintenance": maintain_partitions(dsn, settings, pooler),
        }

        def register(server: grpc.aio.Server) -> None:
            orders_pb2_grpc.add_OrderServiceServicer_to_server(orders, server)
            inventory_pb2_grpc.add_InventoryServiceServicer_to_server(inventory, server)
            ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedgerService(pool), server)
            dead_letters = DeadLetterSourceService(pool)
            dead_letter_source_pb2_grpc.add_DeadLetterSourceServiceServicer_to_server(dead_letters, server)
            timeline_source_pb2_grpc.add_OutboxEventServiceServicer_to_server(OutboxEventService(pool), server)
            process_pb2_grpc.add_ProcessServiceServicer_to_server(AsyncProcessService(pool, dsn, stop), server)

        address = settings.orders_listen.format(index=index)
        lane = fast_lane(settings.orders_lane_listen.format(index=index))
        await serve_with_tasks(
            tasks,
            serve_async(
                address,
                PUBLIC,
                register,
                stop,
                lane=lane,
                authentication=settings.auth,
                tls=settings.service_tls,
                checks=item_counts.CHECKS,
                connection_seconds=settings.connection_seconds,
            ),
            stop,
        )


async def send_heartbeats(stop: asyncio.Event, garbage: RareCollector, record: Callable[[], None]) -> None:
    """Show that the event loop is running, collect garbage when it is time, and record the load, until cancelled."""
    while True:
        if stop.is_set():
            HEARTBEAT.start_draining()
        HEARTBEAT.record()
        garbage.collect()
        record()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def fast_lane(address: str) -> Lane | None:
    """Return the fast lane at an address, None without one; imports its gRPC implementation only when needed."""
    if not address:
        return None
    from runtime.grpc.fast_lane import Lane

    return Lane(address, HOT_METHODS)


async def wait_for_database(writer: Writer, products: ProductCache, stop: asyncio.Event) -> bool:
    """Retry until the writer is connected and products are loaded; return False when the process is stopped before."""
    outage = Outage("connecting to the database")
    while not stop.is_set():
        try:
            await writer.connect()
            await products.preload()
        except (psycopg.OperationalError, PoolTimeout) as error:
            await stops_within(stop, BACKOFF.delay_seconds(outage.begins(error)))
        else:
            outage.ends()
            return True
    return False


if __name__ == "__main__":
    run_child(run)
