"""The ledgers of the analytics database: whatever is counted, in any batches, they are what the events tell."""

from __future__ import annotations

import operator
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from uuid import UUID

import psycopg
import pytest
from counted_batches import batch_of, count
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from ordermesh.internal.v1.ledger_pb2 import StreamCountedStatesRequest
from processor_servers import Analytics
from processor_world import created, history, new_id

from processor.counting import progress
from processor.ledger.analytics_ledger_service import SQL, AnalyticsLedgerService
from runtime.postgres.connections import sync_pool

EVER = {"start": -62_135_596_800, "end": 2**48 // 1000}
Events = Sequence[OrderEvent | StockEvent]


@pytest.fixture
def worker(analytics_server: Analytics) -> Iterator[progress.Connection]:
    analytics_server.clear()
    with progress.connect(analytics_server.worker) as connection:
        yield connection


@pytest.fixture
def owner(analytics_server: Analytics) -> Iterator[psycopg.Connection]:
    with psycopg.connect(analytics_server.owner, autocommit=True) as connection:
        yield connection


def told(events: Events, seconds: int) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the numbers and total prices of orders by period and status, from the last event of each order."""
    last: dict[str, OrderEvent] = {}
    for event in events:
        if isinstance(event, OrderEvent):
            last[event.order_id] = event
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for order_id, event in last.items():
        accepted = int(order_id.replace("-", "")[:12], 16) // 1000
        found = sums[accepted - accepted % seconds, event.status]
        found[0] += 1
        found[1] += event.total_minor
    return {key: (orders, total) for key, (orders, total) in sums.items()}


def counted(owner: psycopg.Connection, period: str) -> dict[tuple[int, int], tuple[int, int]]:
    rows = owner.execute(SQL.order_sums, {"period": period, **EVER}).fetchall()
    return {(start, status): (orders, total) for start, status, orders, total, _ in rows}


@pytest.mark.parametrize("seed", range(3))
def test_the_order_ledger_has_the_last_status_of_each_order_in_any_order_of_batches(
    worker: progress.Connection, owner: psycopg.Connection, seed: int
) -> None:
    events, dice = history(40), random.Random(seed)
    shuffled = dice.sample(events, len(events))
    at = 0
    while at < len(shuffled):
        size = dice.randint(1, 30)
        again = dice.sample(shuffled[:at], min(at, 5))
        count(worker, batch_of([*shuffled[at : at + size], *again]))
        at += size
        if dice.random() < 0.5:
            worker.execute("SELECT fold_ledgers()")
    assert counted(owner, "MINUTE") == told(events, 60)
    assert counted(owner, "DAY") == told(events, 86_400)
    rows = owner.execute(SQL.event_sums, {"period": "DAY", **EVER}).fetchall()
    types = Counter(event.WhichOneof("payload") for event in events)
    assert sorted(row[2] for row in rows) == sorted(types.values())


def test_a_day_has_the_sums_up_to_the_end_that_is_asked_for(
    worker: progress.Connection, owner: psycopg.Connection
) -> None:
    count(worker, batch_of(history(40)))
    day, *_ = sorted(start for start, _ in counted(owner, "DAY"))
    minutes = owner.execute(SQL.event_sums, {"period": "MINUTE", **EVER}).fetchall()
    states = owner.execute(SQL.order_sums, {"period": "MINUTE", **EVER}).fetchall()
    for end in sorted({row[0] for row in minutes}):
        asked = {"period": "DAY", "start": EVER["start"], "end": end}
        found = owner.execute(SQL.event_sums, asked).fetchall()
        assert sum(row[2] for row in found) == sum(row[2] for row in minutes if row[0] < end)
        assert xor(row[5] for row in found) == xor(row[5] for row in minutes if row[0] < end)
        found = owner.execute(SQL.order_sums, asked).fetchall()
        assert sum(row[2] for row in found) == sum(row[2] for row in states if row[0] < end)
        assert {row[0] for row in found} <= {day, day + 86_400}


def xor(digests: Iterable[int]) -> int:
    return reduce(operator.xor, digests, 0)


@pytest.mark.parametrize("order_id", ["00000000-0000-4000-8000-000000000001", "ffffffff-ffff-4fff-bfff-ffffffffffff"])
def test_an_order_id_of_any_time_has_its_minute(
    worker: progress.Connection, analytics_server: Analytics, owner: psycopg.Connection, order_id: str
) -> None:
    event = created(1, order_id=order_id)
    count(worker, batch_of([event]))
    ((start, _),) = counted(owner, "MINUTE")
    request = StreamCountedStatesRequest(minute_start_time=Timestamp(seconds=start))
    with sync_pool(analytics_server.reader, "tests", 1) as pool:
        parts = list(AnalyticsLedgerService(pool).StreamCountedStates(request, None))  # type: ignore[arg-type]
    assert [one.order_id for part in parts for one in part.orders] == [UUID(order_id).bytes]


def test_what_is_changed_or_removed_by_hand_changes_the_ledgers(
    worker: progress.Connection, owner: psycopg.Connection
) -> None:
    events = history(10)
    count(worker, batch_of(events))
    before = counted(owner, "DAY")
    forged = created(1, event_id=new_id(), order_id=new_id())
    count(worker, batch_of([forged]))
    assert counted(owner, "DAY") == told([*events, forged], 86_400)
    owner.execute("UPDATE processed_events SET total_minor = total_minor + 7 WHERE event_id = %s", (forged.event_id,))
    assert (
        sum(total for _, total in counted(owner, "DAY").values())
        == sum(total for _, total in told([*events, forged], 86_400).values()) + 7
    )
    owner.execute("DELETE FROM processed_events WHERE event_id = %s", (forged.event_id,))
    assert counted(owner, "DAY") == before
    owner.execute("TRUNCATE processed_events")
    assert counted(owner, "DAY") == {}
    assert owner.execute(SQL.event_sums, {"period": "DAY", **EVER}).fetchall() == []


def test_the_ledgers_and_the_audit_outlive_the_events(worker: progress.Connection, owner: psycopg.Connection) -> None:
    """A partition is dropped by retention; the default one has rows of earlier days."""
    events = history(10)
    count(worker, batch_of(events))
    minutes = {"period": "MINUTE", **EVER}
    before = counted(owner, "MINUTE"), owner.execute(SQL.event_sums, minutes).fetchall()
    with owner.transaction(force_rollback=True):
        for (name,) in owner.execute("SELECT name FROM time_partitions('processed_events')").fetchall():
            owner.execute(f"SELECT drop_default_rows('{name}', current_date + 1)")
            owner.execute(f"DROP TABLE {name}")
        assert owner.execute("SELECT count(*) FROM processed_events").fetchone() == (0,)
        assert (counted(owner, "MINUTE"), owner.execute(SQL.event_sums, minutes).fetchall()) == before
        assert owner.execute(SQL.metric_differences).fetchall() == []
