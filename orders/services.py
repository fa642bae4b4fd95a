"""The services of one orders process and its background tasks, with what they share."""

from __future__ import annotations

import asyncio

import grpc
from ordermesh.internal.v1 import (
    dead_letter_source_pb2_grpc,
    ledger_pb2_grpc,
    process_pb2_grpc,
    timeline_source_pb2_grpc,
)
from ordermesh.orders.v1 import inventory_pb2_grpc, orders_pb2_grpc

from orders.api.admission import Admission
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.inventory_service import InventoryService
from orders.api.load_metrics import record_load
from orders.api.order_ledger_service import OrderLedgerService
from orders.api.order_service import OrderService
from orders.api.read_admission import ReadAdmission
from orders.domain.clock import DatabaseClock
from orders.outbox.dead_letter_source_service import DeadLetterSourceService
from orders.outbox.notifier import Notifier
from orders.outbox.outbox_event_service import OutboxEventService
from orders.settings import ServeSettings
from orders.stock.backorder_release import BackorderReleases
from orders.stock.product_cache import ProductCache
from orders.stock.release_sweep import ReleaseSweep
from orders.store.maintenance import maintain_partitions
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import StatusTransitions
from runtime.postgres.pool import Pool
from runtime.process.background import Work
from runtime.process.process_service import AsyncProcessService
from runtime.tokens.opaque_token import OpaqueTokens

# Admitted calls per waiting read, and per waiting write of one product or order.
ADMITTED_PER_WAITING = 2


class Services:
    """Made by the settings over a pool of connections. The name of the process is that of its writer."""

    def __init__(self, settings: ServeSettings, process: str, pool: Pool, stop: asyncio.Event) -> None:
        self._settings, self._pool, self._stop = settings, pool, stop
        self._dsn = settings.orders_dsn.get_secret_value()
        pooler = settings.postgres_pooler
        clock, self._notifier, self._products = DatabaseClock(), Notifier(self._dsn, pooler), ProductCache(pool)
        self._writer = Writer(self._dsn, process, clock, self._notifier, pooler)
        self._releases = BackorderReleases(clock)
        self._admission = Admission(settings.orders_max_in_flight)
        max_waiting = max(1, settings.orders_max_in_flight // ADMITTED_PER_WAITING)
        self._writes = IdempotentWrites(pool, self._admission, self._notifier, self._releases, max_waiting)
        self._reads = ReadAdmission(pool, max_waiting)
        tokens = OpaqueTokens(settings.token_keys)
        transitions = StatusTransitions(self._products, clock, self._releases)
        self._orders = OrderService(
            self._reads, self._products, self._writer, transitions, self._admission, self._writes, tokens
        )
        self._inventory = InventoryService(self._reads, pool, clock, self._releases, self._writes, tokens)

    async def connect(self) -> None:
        """Connect the writer and load the products. Raises psycopg.OperationalError and PoolTimeout."""
        await self._writer.connect()
        await self._products.preload()

    def register(self, server: grpc.aio.Server) -> None:
        """Add the services to a server."""
        pool = self._pool
        orders_pb2_grpc.add_OrderServiceServicer_to_server(self._orders, server)
        inventory_pb2_grpc.add_InventoryServiceServicer_to_server(self._inventory, server)
        ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(OrderLedgerService(pool), server)
        dead_letters = DeadLetterSourceService(pool)
        dead_letter_source_pb2_grpc.add_DeadLetterSourceServiceServicer_to_server(dead_letters, server)
        timeline_source_pb2_grpc.add_OutboxEventServiceServicer_to_server(OutboxEventService(pool), server)
        process_pb2_grpc.add_ProcessServiceServicer_to_server(AsyncProcessService(pool, self._dsn, self._stop), server)

    def tasks(self) -> dict[str, Work]:
        """Return the background tasks, by name."""
        return {
            "writer": self._writer.run(),
            "notifier": self._notifier.run(),
            "release sweep": ReleaseSweep(self._pool, self._releases, self._notifier).run(),
            "partition maintenance": maintain_partitions(self._dsn, self._settings, self._settings.postgres_pooler),
        }

    def record_load(self) -> None:
        """Record what is in flight, waiting and connected."""
        record_load(self._admission, self._reads, self._writes, self._pool)
