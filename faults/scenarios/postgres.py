"""F8 to F11 and F18: PostgreSQL restarts, has no connections left, old snapshots, locks, deadlocks, late commits."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from datetime import UTC, datetime

import psycopg
from ordermesh.events.v1 import events_pb2
from ordermesh.orders.v1 import orders_pb2

from faults.injection.ids import new_id
from faults.load.journal import BYSTANDER, CREATE, PAY, Call
from faults.scenario import Needs, scenario
from faults.scenarios.processes import await_strike, stores
from faults.world import NotRepaired, World
from loadgen.transports.answers import Outcome

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename <> 'postgres' ORDER BY random() LIMIT 1
"""


@scenario("F8.restart", selected=True)
def postgres_restarted(world: World) -> None:
    """PostgreSQL is shut down at once, without a checkpoint."""
    with world.fault():
        restarts = world.stack.kill("postgres", signal.SIGQUIT)
        world.until(lambda: world.stack.component("postgres").restarts > restarts, "PostgreSQL restarts")
        world.await_ready("postgres")


@scenario("F8.down")
def postgres_down(world: World) -> None:
    """PostgreSQL is down for 20 s: calls are refused at once."""
    with world.fault():
        with world.launches.held_down(world.stack, "postgres"):
            world.hold(20, 10)
        world.await_ready("postgres")
    world.notes["slowest refusal (ms)"] = slowest_refusal_ms(world)


@scenario("F8.terminated")
def backends_terminated(world: World) -> None:
    """Ten connections a second are ended by the server."""
    with world.fault():
        until = time.monotonic() + world.seconds(15, 6)
        while time.monotonic() < until:
            world.query("orders", TERMINATE)
            time.sleep(0.1)


@scenario("F8.answers-lost", Needs(proxies=True))
def answers_lost(world: World) -> None:
    """Thirty times the connection ends between a commit and its answer: no refusal is untrue."""
    proxy = world.network.postgres["orders"]
    with world.fault():
        for _ in range(30):
            proxy.cut_after(stores)
            await_strike(proxy)


@scenario("F9.connections")
def connections_exhausted(world: World) -> None:
    """All connections of PostgreSQL are taken while orders reconnects: calls are refused at once."""
    dsn = world.stack.context.dsn("orders_owner")
    with world.fault(), contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(dsn))
        world.query("orders", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'orders_app'")
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(dsn))
        world.hold(15, 8)
    world.notes["slowest refusal (ms)"] = slowest_refusal_ms(world)


def slowest_refusal_ms(world: World) -> float:
    """Return how long the slowest call of the bystander took that was not accepted, 0 without one."""
    own = [call for call in world.journal.since(world.injected_at) if call.by == BYSTANDER and call.ended_at]
    return round(max([(call.ended_at - call.started_at) * 1000 for call in own if not call.accepted], default=0), 1)


@scenario("F10.snapshot")
def old_snapshot(world: World) -> None:
    """A transaction holds a snapshot for ten minutes."""
    with world.fault(), psycopg.connect(world.dsn("orders")) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM orders")
        world.hold(600, 15)
        size = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('event_outbox')"
        world.notes["outbox (MiB)"] = round(world.number("orders", size) / 2**20, 1)
        world.notes["unsent events"] = world.number(
            "orders", "SELECT count(*) FROM event_outbox WHERE status IN ('NEW', 'FAILED')"
        )


@scenario("F11.outbox-locked", selected=True)
def outbox_locked(world: World) -> None:
    """The outbox is locked for 5 s."""
    with world.fault(), psycopg.connect(world.dsn("orders")) as connection:
        connection.execute("LOCK TABLE event_outbox IN ACCESS EXCLUSIVE MODE")
        world.hold(5, 5)


@scenario("F11.deadlocks")
def metrics_deadlocked(world: World) -> None:
    """Another session locks metrics in the other order, and deadlocks with the workers."""
    stop = threading.Event()
    before = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'analytics'"
    known = world.number("analytics", before)
    with world.fault():
        threads = [threading.Thread(target=lock_backwards, args=(world, stop), daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        world.hold(15, 8)
        stop.set()
        for thread in threads:
            thread.join()
    world.notes["deadlocks"] = world.number("analytics", before) - known
    if not world.notes["deadlocks"]:
        world.problems.append("no deadlock happened")


def lock_backwards(world: World, stop: threading.Event) -> None:
    """Lock the metrics that every batch changes, from the last to the first, until asked to stop."""
    names = ("top_products_revenue", "revenue_total", "orders_total", "orders_by_status")
    with psycopg.connect(world.dsn("analytics"), autocommit=True) as connection:
        # The workers are the victims.
        connection.execute("SET deadlock_timeout = '10s'")
        while not stop.is_set():
            with contextlib.suppress(psycopg.errors.DeadlockDetected), connection.transaction():
                for name in names:
                    connection.execute("SELECT FROM sales_metrics WHERE metric_name = %s FOR UPDATE", [name])
                    time.sleep(0.02)
            time.sleep(0.05)


@scenario("F18.late-commit", selected=True)
def committed_late(world: World) -> None:
    """A payment whose event has the lowest id of its time commits 30 s later: it is published then, never skipped."""
    order_id = an_order(world)
    with world.fault(), psycopg.connect(world.dsn("orders")) as connection:
        found = connection.execute(
            "UPDATE orders SET status = 'PAID', sequence = sequence + 1, updated_at = clock_timestamp()"
            " WHERE order_id = %s AND status = 'CREATED' RETURNING customer_id, sequence, total_minor",
            [order_id],
        ).fetchone()
        if found is None:
            raise NotRepaired("the order has changed meanwhile")
        insert_payment(connection, order_id, *found)
        world.hold(30, 10)
    request = orders_pb2.CompletePaymentRequest(order_id=order_id, request_id=str(uuid.uuid4()))
    world.journal.begin(
        Call(PAY, request, world.injected_at, outcome=Outcome.ACCEPTED, order_id=order_id, ended_at=time.monotonic())
    )


def an_order(world: World) -> str:
    """Return an order of the bystander, which nobody changes."""
    known = [call for call in world.journal.calls if call.by == BYSTANDER and call.method == CREATE and call.accepted]
    return known[-1].order_id


def insert_payment(
    connection: psycopg.Connection, order_id: str, customer_id: str, sequence: int, total_minor: int
) -> None:
    """Write the event of a payment into the outbox, as orders does."""
    event = events_pb2.OrderEvent(
        event_id=new_id(),
        order_id=order_id,
        customer_id=customer_id,
        sequence=sequence,
        previous_status=orders_pb2.Order.CREATED,
        status=orders_pb2.Order.PAID,
        total_minor=total_minor,
        schema_version=1,
        payment_completed=events_pb2.PaymentCompleted(),
    )
    moment = datetime.now(UTC)
    event.occur_time.FromDatetime(moment)
    connection.execute(
        "INSERT INTO event_outbox (shard, event_type, occur_time, total_minor, event_id, key, traceparent, payload)"
        " SELECT shard, %s, %s, %s, %s, key, traceparent, %s FROM event_outbox WHERE key = %s LIMIT 1",
        [events_pb2.PAYMENT_COMPLETED, moment, total_minor, event.event_id, event.SerializeToString(), order_id],
    )
