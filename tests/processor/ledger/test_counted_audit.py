"""The audit of the analytics database: its ledgers against the counted events, whatever no trigger saw."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from counted_batches import batch_of, count
from ordermesh.internal.v1.ledger_pb2 import (
    DAY,
    MINUTE,
    AuditMetricsRequest,
    LedgerDifference,
    StreamAnalyticsAuditRequest,
)
from processor_servers import Analytics
from processor_world import history

from processor.counting import progress
from processor.ledger.analytics_ledger_service import AnalyticsLedgerService
from processor.maintenance import SQL as MAINTENANCE
from runtime.postgres.connections import sync_pool

EVENTS, ORDERS = LedgerDifference.EVENTS, LedgerDifference.ORDERS


@pytest.fixture
def owner(analytics_server: Analytics) -> Iterator[psycopg.Connection]:
    analytics_server.clear()
    with progress.connect(analytics_server.worker) as worker:
        count(worker, batch_of(history(40)))
    with psycopg.connect(analytics_server.owner, autocommit=True) as connection:
        connection.execute(MAINTENANCE.fold_ledgers)
        yield connection


@pytest.fixture
def service(analytics_server: Analytics) -> Iterator[AnalyticsLedgerService]:
    with sync_pool(analytics_server.reader, "tests", 1) as pool:
        yield AnalyticsLedgerService(pool)


def found(service: AnalyticsLedgerService) -> set[tuple[int, int]]:
    parts = service.StreamAnalyticsAudit(StreamAnalyticsAuditRequest(), None)  # type: ignore[arg-type]
    return {(one.ledger, one.period) for part in parts for one in part.day.differences}


def test_ledgers_of_the_triggers_are_what_the_events_add_up_to(
    owner: psycopg.Connection, service: AnalyticsLedgerService
) -> None:
    parts = list(service.StreamAnalyticsAudit(StreamAnalyticsAuditRequest(), None))  # type: ignore[arg-type]
    assert [one for part in parts for one in part.day.differences] == []
    events = owner.execute("SELECT count(*) FROM processed_events").fetchone() or (0,)
    orders = owner.execute("SELECT count(DISTINCT order_id) FROM processed_events WHERE status <> 0").fetchone() or (0,)
    assert sum(part.day.rows for part in parts) == events[0] + orders[0]
    assert [part.day.number for part in parts] == list(range(1, parts[-1].day.days + 1))


WITHOUT_TRIGGERS = {
    "an event": ("DELETE FROM processed_events WHERE type = 1", {EVENTS, ORDERS}),
    "a status": ("UPDATE processed_events SET status = 5 WHERE type = 1", {ORDERS}),
    "an order": ("UPDATE processed_events SET order_id = event_id WHERE type = 1", {ORDERS}),
    "a time": ("UPDATE processed_events SET occur_time = occur_time + interval '1 minute' WHERE type = 1", {EVENTS}),
}


@pytest.mark.parametrize(("statement", "ledgers"), WITHOUT_TRIGGERS.values(), ids=WITHOUT_TRIGGERS)
def test_what_no_trigger_saw_is_found(
    owner: psycopg.Connection, service: AnalyticsLedgerService, statement: str, ledgers: set[int]
) -> None:
    owner.execute("ALTER TABLE processed_events DISABLE TRIGGER USER")
    try:
        owner.execute(statement)  # type: ignore[arg-type]  # of this file
    finally:
        owner.execute("ALTER TABLE processed_events ENABLE TRIGGER USER")
    assert found(service) == {(ledger, MINUTE) for ledger in ledgers}


def test_a_day_that_differs_from_its_minutes_is_found(
    owner: psycopg.Connection, service: AnalyticsLedgerService
) -> None:
    owner.execute("UPDATE order_ledger SET digest = digest # 1 WHERE period = 'DAY'")
    assert found(service) == {(ORDERS, DAY)}


def test_metrics_of_all_days_are_compared_when_that_is_asked_for(
    owner: psycopg.Connection, service: AnalyticsLedgerService
) -> None:
    """A remembered day, of which a metric was changed while triggers were off."""
    owner.execute("INSERT INTO sales_metrics VALUES ('orders_per_minute', '2020-02-03T04:05Z', 0, now())")
    owner.execute(MAINTENANCE.compare_metric_days)
    owner.execute("ALTER TABLE sales_metrics DISABLE TRIGGER USER")
    try:
        owner.execute("UPDATE sales_metrics SET value = 1 WHERE dimension = '2020-02-03T04:05Z'")
    finally:
        owner.execute("ALTER TABLE sales_metrics ENABLE TRIGGER USER")
    for all_days, wrong in ((False, []), (True, ["2020-02-03T04:05Z"])):
        answer = service.AuditMetrics(AuditMetricsRequest(all_days=all_days), None)  # type: ignore[arg-type]
        assert [one.dimension for one in answer.differences] == wrong
