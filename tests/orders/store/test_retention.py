"""Retention: idempotency keys across a period boundary, partitions created and dropped under traffic."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
from orders_world import World, open_world
from waiting import await_true

from orders.domain.clock import DatabaseClock
from orders.domain.order import Accepted, Line, NewOrder
from orders.outbox.notifier import Notifier
from orders.store import maintenance
from orders.store.queries import LEDGER
from orders.writes.batch_commit import Entry
from orders.writes.group_commit import Writer
from runtime.postgres import partitions
from runtime.postgres.connections import connect_async, migrate
from runtime.postgres.partitions import Table
from runtime.postgres.retention import RetentionSettings
from runtime.telemetry import metrics
from stack.servers.postgres import Postgres

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
MINUTE = timedelta(minutes=1)
PERIOD = timedelta(days=7)


def new_order(request_id: str, customer: str = "c") -> NewOrder:
    return NewOrder(customer, (Line("p1", 1, 100),), 100, 1, request_id, TRACE)


def next_period() -> datetime:
    """Return the time of the next period boundary, a whole number of weeks after 1970."""
    weeks = int(time.time()) // int(PERIOD.total_seconds())
    return datetime.fromtimestamp((weeks + 1) * PERIOD.total_seconds(), UTC)


Clocked = Callable[[timedelta], Awaitable[Writer]]


@pytest.fixture
async def at(owner: psycopg.Connection, orders_dsn: str) -> AsyncIterator[Clocked]:
    """Create writers in whose sessions the database's clock has a distance from the period boundary."""
    held: list[tuple[Writer, asyncio.Task[None], str]] = []
    change = next_period()

    async def make(distance: timedelta) -> Writer:
        schema = f"clock_{len(held)}"
        owner.execute(f"CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO orders_app")  # type: ignore[arg-type]
        moved = change + distance - datetime.now(UTC)
        owner.execute(
            f"CREATE FUNCTION {schema}.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"  # type: ignore[arg-type]
            f" $$ SELECT pg_catalog.clock_timestamp() + interval '{moved.total_seconds()} s' $$"
        )
        writer = Writer(orders_dsn, schema, DatabaseClock(), Notifier(orders_dsn))
        connection = await writer.connection.get()
        await connection.execute(f"SET search_path = {schema}, public, pg_catalog")  # type: ignore[arg-type]
        held.append((writer, asyncio.create_task(writer.run()), schema))
        return writer

    yield make
    for writer, task, schema in held:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert writer.connection._connection is not None
        await writer.connection._connection.close()
        owner.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]


@pytest.fixture(params=["a partition of its own", "the default partition"])
def next_partition(request: pytest.FixtureRequest, owner: psycopg.Connection) -> Iterator[None]:
    """The next period has a partition of its own, or uses the default partition."""
    name = f"order_request_{next_period():%Y%m%d}"
    if request.param == "a partition of its own":
        owner.execute("SELECT make_partition('order_request', %s)", (next_period().date(),))
    yield
    owner.execute(f"DROP TABLE IF EXISTS {name}; DELETE FROM order_request_default")  # type: ignore[arg-type]


async def one_waits_for_another(owner: psycopg.Connection) -> None:
    """Wait until a session waits for the end of another transaction."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    await asyncio.to_thread(await_true, lambda: owner.execute(query).fetchone() != (0,))


def accepted(outcomes: list[Any]) -> list[Accepted]:
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return outcomes


# Minutes relative to the boundary: both within the window, or one outside of it.
PAIRS = [(-1, 1), (1, -1), (-14, 14), (-20, 10), (10, -20), (20, -10), (-10, 20)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_processes_on_both_sides_of_a_period_boundary_store_one_order_per_key(
    at: Clocked, owner: psycopg.Connection, next_partition: None, first: int, second: int
) -> None:
    """The first has not committed when the second looks up the key, so the second cannot see it."""
    one, other = await at(first * MINUTE), await at(second * MINUTE)
    connection = await one.connection.get()
    async with connection.transaction():
        made = accepted(await one.batches.store_untracked(connection, [Entry(new_order("r"))]))
        waiting = asyncio.create_task(other.submit([new_order("r"), new_order("of its own")]))
        await one_waits_for_another(owner)
    again, own = accepted(await waiting)
    assert (again.order_id, again.replayed, own.replayed) == (made[0].order_id, True, False)
    assert owner.execute("SELECT count(*) FROM orders").fetchone() == (2,)


@pytest.mark.parametrize(("first", "second"), [(-20, 20), (20, -20), (-60 * 24 * 6, 20), (-60 * 24 * 6, 60 * 24)])
async def test_a_key_is_found_in_the_next_period_and_after_the_clock_went_back(
    at: Clocked, owner: psycopg.Connection, next_partition: None, first: int, second: int
) -> None:
    one, other = await at(first * MINUTE), await at(second * MINUTE)
    (made,) = accepted(await one.submit([new_order("r")]))
    (again,) = accepted(await other.submit([new_order("r")]))
    assert (again.order_id, again.replayed) == (made.order_id, True)
    assert owner.execute("SELECT count(*) FROM orders").fetchone() == (1,)


async def test_concurrent_requests_at_a_period_boundary_create_one_order_per_key(
    at: Clocked, owner: psycopg.Connection, next_partition: None
) -> None:
    writers = [await at(minutes * MINUTE) for minutes in (-1, 1, -20, 10)]
    requests = [str(uuid.uuid4()) for _ in range(150)]
    calls = [writer.submit([new_order(request)]) for request in requests for writer in writers]
    outcomes = [accepted(outcome)[0] for outcome in await asyncio.gather(*calls)]
    for number in range(len(requests)):
        answers = outcomes[number * len(writers) : (number + 1) * len(writers)]
        assert len({one.order_id for one in answers}) == 1
        assert sum(not one.replayed for one in answers) == 1
    assert owner.execute("SELECT count(*) FROM orders").fetchone() == (len(requests),)
    (claims,) = owner.execute(
        "SELECT count(*) FROM (SELECT FROM order_request GROUP BY request_id HAVING count(DISTINCT order_id) > 1) AS s"
    ).fetchall()
    assert claims == (0,)


def partitions_of(owner: psycopg.Connection, table: str) -> set[str]:
    return {name for (name,) in owner.execute("SELECT name FROM time_partitions(%s)", (table,))}


async def kept(dsn: str, *tables: Table) -> list[str]:
    """Run the maintenance of tables and return the changed partitions."""
    async with await connect_async(dsn, "tests") as connection:
        return [change for table in tables async for change in partitions.maintain_async(connection, table)]


async def test_idempotency_keys_are_dropped_by_partition_and_kept_for_at_least_a_week(
    owner: psycopg.Connection, orders_dsn: str
) -> None:
    today = datetime.now(UTC).date()
    period: date = owner.execute("SELECT request_period(clock_timestamp())").fetchone()[0]  # type: ignore[index]
    for weeks in (1, 2, 3):
        day = period - weeks * PERIOD
        owner.execute("SELECT make_partition('order_request', %s)", (day,))
        owner.execute(
            "INSERT INTO order_request SELECT 'c', n::text, '', gen_random_uuid(), 'CREATED', %s, %s"
            " FROM generate_series(1, 30000) AS n",
            (day, day),
        )
    changes = await kept(orders_dsn, Table("order_request", 2, maintenance.IDEMPOTENCY_KEY_DAYS))
    left = {day for (day,) in owner.execute("SELECT DISTINCT period FROM order_request")}
    # The last day of a retained period is at most a week ago.
    weeks_ago = {period - weeks * PERIOD for weeks in (1, 2, 3)}
    assert left == {day for day in weeks_ago if day + PERIOD > today - PERIOD}
    dropped = {change for change in changes if change.startswith("-")}
    assert dropped == {f"-order_request_{day:%Y%m%d}" for day in weeks_ago - left}
    assert await kept(orders_dsn, Table("order_request", 2, maintenance.IDEMPOTENCY_KEY_DAYS)) == []
    for name in partitions_of(owner, "order_request"):
        if name < f"order_request_{period:%Y%m%d}":
            owner.execute(f"DROP TABLE {name}")  # type: ignore[arg-type]


OUTBOX = Table("event_outbox", 2, 7)
INSERT = (
    "INSERT INTO event_outbox (shard, event_type, occur_time, event_id, key, traceparent, payload, status)"
    " SELECT n %% 64, 1, %s, gen_random_uuid(), 'k', 't', '', %s FROM generate_series(1, %s) AS n"
)


async def test_old_partitions_of_the_outbox_are_dropped_only_without_unsent_or_dead_events(
    owner: psycopg.Connection, orders_dsn: str
) -> None:
    days = {"2020-01-01": "SENT", "2020-01-02": "NEW", "2020-01-03": "DEAD", "2020-01-04": "DISCARDED"}
    for day, status in days.items():
        owner.execute(INSERT, (f"{day} 12:00Z", status, 3))
    changes = await kept(orders_dsn, OUTBOX)
    names = [f"event_outbox_{day.replace('-', '')}" for day in days]
    assert [change for change in changes if change[1:] in names] == [
        *(f"+{n}" for n in names),
        f"-{names[0]}",
        f"-{names[3]}",
    ]
    since = owner.execute("SELECT complete_since FROM partitioned_table WHERE name = 'event_outbox'").fetchone()
    assert since is not None
    assert since[0] >= date(2020, 1, 5)
    for name in names[1:3]:
        owner.execute(f"DROP TABLE {name}")  # type: ignore[arg-type]


@pytest.mark.parametrize("most_moved", [1_000_000, 100], ids=["moved", "turned"])
async def test_a_day_in_the_default_partition_gets_its_own_while_orders_are_stored(
    world: World, owner: psycopg.Connection, orders_dsn: str, most_moved: int
) -> None:
    """Nothing is lost, duplicated or refused, and rows of other days stay visible to queries."""
    today = datetime.now(UTC).date()
    for name in partitions_of(owner, "event_outbox"):
        owner.execute(f"DROP TABLE {name}")  # type: ignore[arg-type]
    owner.execute(INSERT, (f"{today} 00:00Z", "SENT", 5_000))
    owner.execute(INSERT, (f"{today + timedelta(days=9)} 00:00Z", "NEW", 7))
    stop = asyncio.Event()

    async def order() -> int:
        made = 0
        while not stop.is_set():
            await world.create(("p1", 1, 1), request_id=str(uuid.uuid4()))
            made += 1
        return made

    customers = [asyncio.create_task(order()) for _ in range(4)]
    made = await asyncio.to_thread(
        lambda: owner.execute("SELECT make_partition('event_outbox', %s, %s)", (today, most_moved)).fetchone()
    )
    assert made == (f"event_outbox_{today:%Y%m%d}",)
    before = (owner.execute("SELECT count(*) FROM orders").fetchone() or (0,))[0]
    stored = "SELECT count(*) >= %s FROM orders"
    await asyncio.to_thread(await_true, lambda: owner.execute(stored, (before + 20,)).fetchone() == (True,))
    stop.set()
    orders = sum(await asyncio.gather(*customers))
    assert owner.execute("SELECT count(*), count(DISTINCT id) FROM event_outbox").fetchone() == (orders + 5_007,) * 2
    assert owner.execute("SELECT count(*) FROM event_outbox_default").fetchone() == (7,)
    own = "SELECT count(*) FROM event_outbox WHERE tableoid = %s::regclass"
    assert owner.execute(own, (made[0],)).fetchone() == (orders + 5_000,)
    owner.execute(f"DELETE FROM event_outbox_default; DROP TABLE {made[0]}")  # type: ignore[arg-type]
    owner.execute("SELECT make_partition('event_outbox', %s)", (today,))
    # The following days are created, and then nothing is left to do.
    assert len(await kept(orders_dsn, OUTBOX)) == 2
    assert await kept(orders_dsn, OUTBOX) == []


async def test_days_in_the_default_partition_past_the_retention_are_dropped(
    owner: psycopg.Connection, orders_dsn: str
) -> None:
    owner.execute(INSERT, ("2021-05-05 12:00Z", "SENT", 10))
    await kept(orders_dsn, OUTBOX)
    assert owner.execute("SELECT count(*) FROM event_outbox WHERE occur_time < '2022-01-01'").fetchone() == (0,)


async def test_maintenance_of_a_table_in_use_retries_and_delays_no_order(
    world: World, owner: psycopg.Connection, orders_dsn: str
) -> None:
    """A waiting lock request would block every order behind it."""
    owner.execute("SELECT make_partition('event_outbox', '2020-02-02')")
    with psycopg.connect(orders_dsn) as reader:
        reader.execute("SELECT count(*) FROM event_outbox")
        upkeep = asyncio.create_task(kept(orders_dsn, OUTBOX))
        for _ in range(20):
            await world.create(("p1", 1, 1))
        assert not upkeep.done()
    assert "-event_outbox_20200202" in await upkeep


async def test_a_process_reports_no_success_for_a_table_that_another_one_maintains(
    owner: psycopg.Connection, orders_dsn: str
) -> None:
    succeeded = metrics.ORDERS_MAINTENANCE.labels
    for table in maintenance.tables(RetentionSettings()):
        succeeded(table.name).set(0)
    async with await psycopg.AsyncConnection.connect(orders_dsn, autocommit=True) as connection:
        with owner.transaction():
            owner.execute("SELECT FROM partitioned_table WHERE name = 'event_outbox' FOR UPDATE")
            await maintenance.run_once(connection, RetentionSettings())
        assert succeeded("event_outbox")._value.get() == 0
        assert succeeded("order_request")._value.get() > 0
        await maintenance.run_once(connection, RetentionSettings())
    assert succeeded("event_outbox")._value.get() > 0


async def test_counts_of_stopped_processes_are_merged_into_one_row(owner: psycopg.Connection, orders_dsn: str) -> None:
    owner.execute(
        "INSERT INTO progress (process, orders, published, seen_at) SELECT 'orders@pod-' || n, 10, n,"
        " now() - n * interval '9 hours' FROM generate_series(1, 6) AS n"
    )
    async with await psycopg.AsyncConnection.connect(orders_dsn, autocommit=True) as connection:
        for _ in range(2):
            await maintenance.run_once(connection, RetentionSettings())
    assert owner.execute("SELECT count(*), sum(orders), sum(published) FROM progress").fetchone() == (3, 60, 21)


async def test_idempotency_keys_from_before_the_partitions_are_found(
    postgres: Postgres, tmp_path: Path, run_folder: Path
) -> None:
    dsn = fresh_database(postgres, "upgraded")
    apply_released(dsn)
    with psycopg.connect(dsn, autocommit=True) as old:
        old.execute(
            "INSERT INTO orders VALUES (gen_random_uuid(), 'c', 'CREATED', 1, 100, now(), now(), 't', '{}');"
            "INSERT INTO order_request SELECT customer_id, 'r', '', order_id, status, now() FROM orders;"
            "INSERT INTO restock_request VALUES ('p100', 'restock', 1, now() - interval '6 days')"
        )
        migrate(dsn, "orders.migrations")
        assert old.execute("SELECT count(*) FROM order_request WHERE request_id = 'r'").fetchone() == (1,)
        async with open_world(dsn, run_folder / "orders.sock") as world:
            (outcome,) = accepted(await world.writer.submit([new_order("r")]))
            (other,) = accepted(await world.writer.submit([new_order("r2")]))
        assert (outcome.replayed, other.replayed) == (True, False)
        assert old.execute("SELECT count(*) FROM idempotency_request WHERE request_id = 'restock'").fetchone() == (1,)
        # A program of the previous version inserts without a period, and its deletions are denied.
        old.execute(
            "INSERT INTO order_request (customer_id, request_id, fingerprint, order_id, status, created_at)"
            " SELECT 'c', 'r3', '', order_id, status, now() FROM orders LIMIT 1"
        )
        assert old.execute("SELECT count(*) FROM order_request_default").fetchone() == (0,)


def fresh_database(postgres: Postgres, name: str) -> str:
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")  # type: ignore[arg-type]
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return psycopg.conninfo.make_conninfo(postgres.admin_dsn, dbname=name)


def apply_released(dsn: str) -> None:
    """Apply the schema from before the tables of idempotency keys were partitioned."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE schema_migration (name text PRIMARY KEY, sha256 text NOT NULL)")
        for name in ("0001_orders.sql", "0002_catalogue.sql", "0003_statistics.sql"):
            script = files("orders.migrations").joinpath(name).read_bytes()
            connection.execute(script)
            connection.execute(
                "INSERT INTO schema_migration VALUES (%s, %s)", (name, hashlib.sha256(script).hexdigest())
            )


def test_a_future_day_from_before_the_clock_went_back_does_not_hide_the_present_one(
    owner: psycopg.Connection,
) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("UPDATE partitioned_table SET complete_since = current_date + 400 WHERE name = 'event_outbox'")
        _, since = owner.execute(LEDGER.coverage).fetchone() or (0, None)
    assert 0 < since <= time.time()


@pytest.mark.parametrize(
    ("days_ahead", "retention_days", "named"),
    [
        (32, 7, "days_ahead must be 0 to 31, is 32"),
        (-1, 7, "days_ahead must be 0 to 31, is -1"),
        (None, 7, "days_ahead must be 0 to 31"),
        (2, 0, "retention_days must be 1 to 3651, is 0"),
        (2, -100_000, "retention_days must be 1 to 3651, is -100000"),
        (2, 3652, "retention_days must be 1 to 3651, is 3652"),
        (2, None, "retention_days must be 1 to 3651"),
    ],
)
async def test_a_service_asks_for_no_upkeep_without_limits(
    orders_dsn: str, days_ahead: int | None, retention_days: int | None, named: str
) -> None:
    async with await connect_async(orders_dsn, "tests") as service:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=named):
            await service.execute(partitions.STEP, Table("event_outbox", days_ahead, retention_days).parameters)  # type: ignore[arg-type]  # what a database may be sent


# Of the schema that the migrations leave, without triggers, which nobody can call, and without those of extensions.
WITH_OWNERS_RIGHTS = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype ORDER BY 1
"""


def test_two_functions_run_with_the_rights_of_their_owner(owner: psycopg.Connection) -> None:
    found = [name for (name,) in owner.execute(WITH_OWNERS_RIGHTS)]
    assert found == ["fold_ledgers()", "maintain_partition(text,integer,integer)"]
