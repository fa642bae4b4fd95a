"""Failover from a primary to its standby, with services that know the addresses of both."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import psycopg
import pytest
from kafka_broker import environment
from ordermesh.internal.v1.process_pb2 import GetProcessHealthRequest
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from orders_world import World, open_world, order, refusal
from waiting import await_true, until_true

from orders.outbox.notifier import Notifier
from runtime.kafka.access import PUBLISHER
from runtime.postgres.connections import sync_pool
from runtime.process.process_service import AsyncProcessService, SyncProcessService
from stack.machine import ports
from stack.machine.paths import default_cache
from stack.machine.state_folder import StateFolder, temporary_home
from stack.processes.process import Command, Process
from stack.processes.runners import running
from stack.processes.server_account import server_account
from stack.servers.kafka.broker import Kafka
from stack.servers.postgres import Postgres, server_env
from stack.servers.postgres_binaries import locate

COPY_SECONDS = 60.0


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Postgres
    standby: Postgres

    def dsn(self, role: str) -> str:
        """Return a URI of both servers, with which a client connects to the writable one."""
        user = f"{role}:{self.primary.credentials.password(role)}"
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://{user}@{hosts}/orders?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Promote the standby; the old primary becomes read-only and keeps its sessions."""
        with (
            psycopg.connect(self.primary.admin_dsn, autocommit=True) as old,
            psycopg.connect(self.standby.admin_dsn, autocommit=True) as new,
        ):
            (written,) = old.execute("SELECT pg_current_wal_lsn()").fetchone()  # type: ignore[misc]
            await_true(
                lambda: new.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)).fetchone() == (True,),
                "the standby has replayed everything",
            )
            assert new.execute("SELECT pg_promote()").fetchone() == (True,)
            old.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            old.execute("SELECT pg_reload_conf()")
            await_true(
                lambda: old.execute("SHOW default_transaction_read_only").fetchone() == ("on",),
                "the old server reads only",
            )

    def go_back(self) -> None:
        """Make the old primary writable again, for the tests that follow."""
        with psycopg.connect(self.primary.admin_dsn, autocommit=True) as old:
            old.execute("SET default_transaction_read_only = off")
            old.execute("ALTER SYSTEM RESET default_transaction_read_only")
            old.execute("SELECT pg_reload_conf()")


@pytest.fixture
def pair(postgres: Postgres, orders_dsn: str) -> Iterator[Pair]:
    with temporary_home() as home:
        standby = Postgres.alone(StateFolder(home), postgres.credentials, listen=ports.LOOPBACK)
        copy(postgres, standby)
        made = Pair(postgres, standby)
        with running(standby):
            yield made
        made.go_back()


def copy(primary: Postgres, standby: Postgres) -> None:
    """Create the data directory of the standby, as the user that runs PostgreSQL."""
    account = server_account(standby.folder)
    standby._prepare_folders(account)
    program = locate(account, default_cache()).program("pg_basebackup")
    source = primary.admin_dsn
    argv = [program, "-d", source, "-D", str(standby.data), "-R", "-c", "fast", "-X", "stream"]
    backup = Process(Command("pg_basebackup", argv, server_env(), account), standby.log)
    backup.start()
    assert backup.wait(COPY_SECONDS)
    assert backup.returncode == 0, backup.failure("failed")


@pytest.fixture
async def world(pair: Pair, run_folder: Path) -> AsyncIterator[World]:
    async with open_world(pair.dsn("orders_app"), run_folder / "pair.sock") as made:
        yield made


@pytest.fixture
def publisher(pair: Pair, broker: Kafka) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {
        "ORDERMESH_ORDERS_DSN": pair.dsn("orders_publisher"),
        **environment(broker.client_settings(PUBLISHER)),
        "ORDERMESH_METRICS_ADDRESS": f"127.0.0.1:{ports.allocate(1)[0]}",
    }
    process = subprocess.Popen([sys.executable, "-m", "orders", "publish"], env=env)
    yield process
    process.terminate()
    process.wait(20)


async def sent(world: World, order_id: str) -> bool:
    rows = await world.rows("SELECT status::text FROM event_outbox WHERE key = %s", order_id)
    return [status for (status,) in rows] == ["SENT"]


async def test_writes_continue_at_the_new_primary_after_a_failover(
    world: World, pair: Pair, publisher: subprocess.Popen[bytes]
) -> None:
    before = await world.create(("p1", 1, 1))
    await until_true(lambda: sent(world, before.order_id), "the events of the order are published")
    pair.fail_over()

    # A session at the old primary gets one error, and reconnects to the new one.
    refused = await refusal(world.create(("p1", 1, 1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert refused.retry_seconds == 1.0
    after = await world.create(("p1", 1, 1))
    paying = orders_pb2.CompletePaymentRequest(order_id=before.order_id)
    assert (await world.service.CompletePayment(paying)).status == Order.PAID
    assert await world.restock("p100", 5) == 0
    assert await world.stock("p100") == (1_000_005, 0)
    with psycopg.connect(pair.standby.dsn("orders_owner")) as new:
        assert new.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    while not await sent(world, after.order_id):
        assert publisher.poll() is None


async def test_reads_and_notifications_use_the_new_primary_after_a_failover(world: World, pair: Pair) -> None:
    """Without writes, no error reveals that the old primary is read-only."""
    product = inventory_pb2.GetProductRequest(product_id="p7")
    await world.inventory.GetProduct(product)
    notifier = Notifier(pair.dsn("orders_app"))
    notifying = asyncio.create_task(notifier.run())
    await heard(notifier, pair.primary)
    pair.fail_over()
    owner = pair.standby.dsn("orders_owner")
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as new:
        await new.execute("UPDATE product SET name = 'renamed' WHERE product_id = 'p7'")
    # On any connection of the pool.

    async def everywhere() -> bool:
        return {(await world.inventory.GetProduct(product)).name for _ in range(20)} == {"renamed"}

    await until_true(everywhere, "every connection reads the new name")
    await heard(notifier, pair.standby)
    notifying.cancel()


async def heard(notifier: Notifier, server: Postgres) -> None:
    """Send notifications until a listener at a server receives one."""
    publisher = server.dsn("orders_publisher")
    async with await psycopg.AsyncConnection.connect(publisher, autocommit=True) as listener:
        await listener.execute("LISTEN event_outbox")
        rings: list[object] = []
        while not rings:
            notifier.notify()
            rings = [each async for each in listener.notifies(timeout=0.1, stop_after=1)]


async def database_problems(world: World) -> set[str]:
    """Return the database status that asynchronous and threaded processes report."""
    on_loop = AsyncProcessService(world.pool, world.dsn, asyncio.Event())
    with sync_pool(world.dsn, "tests", 1) as pool:
        on_threads = SyncProcessService(pool, world.dsn, threading.Event())
        told = await asyncio.to_thread(on_threads.GetProcessHealth, GetProcessHealthRequest(), None)
    return {told.database_problem, (await on_loop.GetProcessHealth(GetProcessHealthRequest(), None)).database_problem}


async def test_a_single_read_only_database_is_unavailable_until_it_is_writable(
    orders_dsn: str, pair: Pair, run_folder: Path
) -> None:
    async with open_world(orders_dsn, run_folder / "alone.sock") as world:
        pair.fail_over()
        for _ in range(3):
            for call in (
                world.create(("p1", 1, 1)),
                world.create(("p100", 1, 1)),
                world.inventory.RestockProduct(inventory_pb2.RestockProductRequest(product_id="p100", quantity=5)),
            ):
                refused = await refusal(call)
                assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert (await world.service.ListOrders(orders_pb2.ListOrdersRequest())).orders == []
        assert await database_problems(world) == {"read-only: the server accepts no writes"}
        pair.go_back()
        while True:
            try:
                await world.service.CreateOrder(order(("p1", 1, 1)))
                break
            except grpc.aio.AioRpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE  # noqa: PT017  # until the reload has reached all
