"""One serving process of orders."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import psycopg
import uvloop
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc
from ordermesh.orders.v1 import inventory_pb2_grpc, orders_pb2_grpc
from psycopg_pool import PoolTimeout

from orders.api.admission import Admission
from orders.api.idempotent_writes import Changes
from orders.api.inventory_service import Inventory
from orders.api.ledger_service import OrderLedger
from orders.api.order_service import Orders
from orders.api.read_admission import Reads
from orders.domain.clock import DatabaseClock
from orders.outbox.notifier import Doorbell
from orders.settings import ServeSettings
from orders.stock.backorder_release import Releases
from orders.stock.product_cache import Catalogue
from orders.store.maintenance import keep_house
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import Steps
from runtime.exit_codes import ExitCode
from runtime.grpc.server import serve_async
from runtime.postgres.connections import async_pool
from runtime.process.background import BackgroundEnded, serve_with_tasks
from runtime.process.child import run_child
from runtime.process.garbage_collection import collect_rarely
from runtime.process.health_service import AsyncProcessService
from runtime.process.heartbeat import HEARTBEAT, HEARTBEAT_SECONDS
from runtime.process.shutdown import on_signal_async
from runtime.telemetry import logging, metrics
from runtime.telemetry.outage import Outage

if TYPE_CHECKING:
    from runtime.grpc.fast_lane import Lane

PUBLIC = ("ordermesh.orders.v1.OrderService", "ordermesh.orders.v1.InventoryService")
# What the fast lane serves where there is one; Envoy routes these methods to it.
HOT_METHODS = tuple(
    f"/ordermesh.orders.v1.OrderService/{name}"
    for name in ("CreateOrder", "BatchCreateOrders", "GetOrder", "ListOrders")
)
RETRY_SECONDS = 0.2
# Half as many reads as orders are admitted may wait, on top of them, and as many changes of one row.
WAITING_SHARE = 2
# Orders make many objects and hardly a cycle; with the default of 700 the collector runs every few orders.
COLLECT_AFTER_OBJECTS = 50_000


def run(index: int) -> None:
    """Serve as the process with this number, until SIGTERM."""
    settings = ServeSettings.load()
    logging.configure("orders", settings)
    metrics.create("orders")
    try:
        uvloop.run(serve(settings, index))
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


async def serve(settings: ServeSettings, index: int) -> None:
    """Put the parts together and serve."""
    stop = on_signal_async()
    dsn = settings.orders_dsn.get_secret_value()
    process = f"orders-{index}@{socket.gethostname()}"
    async with AsyncExitStack() as stack:
        pooler = settings.postgres_pooler
        pool = async_pool(dsn, f"ordermesh-{process}", settings.orders_pool_size, pooler)
        await stack.enter_async_context(pool)
        clock, doorbell, catalogue = DatabaseClock(), Doorbell(dsn, pooler), Catalogue(pool)
        writer = Writer(dsn, process, clock, doorbell, pooler)
        releases = Releases(pool, clock, doorbell)
        steps = Steps(pool, catalogue, clock, releases)
        if not await first_contact(writer, catalogue, stop):
            return
        admission = Admission(settings.orders_max_in_hand)
        max_waiting = max(1, settings.orders_max_in_hand // WAITING_SHARE)
        changes = Changes(pool, admission, doorbell, releases, max_waiting)
        reads = Reads(pool, max_waiting)
        orders = Orders(reads, catalogue, writer, steps, admission, changes)
        inventory = Inventory(reads, pool, clock, releases, changes)
        tasks = {
            "heartbeat": keep_heartbeat(stop),
            "writer": writer.run(),
            "doorbell": doorbell.run(),
            "releases": releases.sweep(),
            "housekeeping": keep_house(dsn, settings.outbox_retention_days, pooler),
        }

        def register(server: grpc.aio.Server) -> None:
            orders_pb2_grpc.add_OrderServiceServicer_to_server(orders, server)
            inventory_pb2_grpc.add_InventoryServiceServicer_to_server(inventory, server)
            ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedger(pool), server)
            process_pb2_grpc.add_ProcessServiceServicer_to_server(AsyncProcessService(pool, dsn, stop), server)

        collect_rarely(COLLECT_AFTER_OBJECTS)
        address = settings.orders_listen.format(index=index)
        lane = fast_lane(settings.orders_lane_listen.format(index=index))
        await serve_with_tasks(tasks, serve_async(address, PUBLIC, register, stop, lane=lane), stop)


async def keep_heartbeat(stop: asyncio.Event) -> None:
    """Show that this event loop turns, until cancelled."""
    while True:
        if stop.is_set():
            HEARTBEAT.start_draining()
        HEARTBEAT.record()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def fast_lane(address: str) -> Lane | None:
    """Return the fast lane at an address, None without one; only then is its engine loaded."""
    if not address:
        return None
    from runtime.grpc.fast_lane import Lane

    return Lane(address, HOT_METHODS)


async def first_contact(writer: Writer, catalogue: Catalogue, stop: asyncio.Event) -> bool:
    """Wait until the database has told its time and some products; False when the process is to stop before that."""
    outage = Outage("the first contact with the database")
    while not stop.is_set():
        try:
            await writer.connect()
            await catalogue.warm()
        except (psycopg.OperationalError, PoolTimeout) as error:
            outage.begins(error)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            outage.ends()
            return True
    return False


if __name__ == "__main__":
    run_child(run)
