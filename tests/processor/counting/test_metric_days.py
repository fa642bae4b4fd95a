"""Days whose metrics by minute were compared are not read again, and whatever changes them afterwards is found."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from counted_batches import batch_of, count
from processor_servers import Analytics
from processor_world import created

from processor.counting import progress
from processor.ledger.analytics_ledger_service import SQL
from processor.maintenance import SQL as MAINTENANCE

# Two orders a minute, in two minutes of each of two days that are over.
MINUTES = ("2020-02-03T04:05Z", "2020-02-03T04:06Z", "2020-02-04T04:05Z", "2020-02-04T04:06Z")
MINUTE = "to_char(occur_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"')"
DAYS = {"2020-02-03", "2020-02-04"}


@pytest.fixture
def owner(analytics_server: Analytics) -> Iterator[psycopg.Connection]:
    analytics_server.clear()
    with psycopg.connect(analytics_server.owner, autocommit=True) as connection:
        with progress.connect(analytics_server.worker) as worker:
            count(worker, batch_of([created(1) for _ in range(len(MINUTES) * 2)]))
        move_into_the_past(connection)
        yield connection


def move_into_the_past(owner: psycopg.Connection) -> None:
    """Move two events into each minute, with their metrics."""
    owner.execute(
        "UPDATE processed_events e SET occur_time = (%s::text[])[1 + n %% 4]::timestamptz"
        " FROM (SELECT event_id, row_number() OVER () AS n FROM processed_events) AS numbered"
        " WHERE e.event_id = numbered.event_id",
        (list(MINUTES),),
    )
    owner.execute("DELETE FROM sales_metrics WHERE metric_name LIKE '%per_minute'")
    for name, value in (("orders_per_minute", "count(*)"), ("revenue_per_minute", "sum(total_minor)")):
        owner.execute(
            f"INSERT INTO sales_metrics SELECT '{name}', {MINUTE},"  # type: ignore[arg-type]  # of this file
            f" {value}, now() FROM processed_events GROUP BY 2"
        )
    assert differences(owner) == []


def differences(owner: psycopg.Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in owner.execute(SQL.metric_differences)]


def compare(owner: psycopg.Connection) -> set[str]:
    """Compare the days that are over, and return those that have to be compared again."""
    owner.execute(MAINTENANCE.fold_ledgers)
    owner.execute(MAINTENANCE.compare_metric_days)
    return {day for (day,) in owner.execute("SELECT day FROM unsettled_metric_day WHERE is_over")}


def test_a_day_that_was_compared_is_not_read_again_and_days_around_now_are(owner: psycopg.Connection) -> None:
    assert {day for (day,) in owner.execute("SELECT day FROM unsettled_metric_day WHERE is_over")} > DAYS
    assert compare(owner) == set()
    assert len(owner.execute("SELECT day FROM unsettled_metric_day").fetchall()) == 3
    assert owner.execute("SELECT count(*) FROM changed_metric_day").fetchone() == (0,)
    assert differences(owner) == []


BY_HAND = {
    "a value": "UPDATE sales_metrics SET value = value + 1 WHERE dimension = '2020-02-03T04:05Z'",
    "a minute": "UPDATE sales_metrics SET dimension = '2020-02-03T04:07Z' WHERE dimension = '2020-02-03T04:05Z'",
    "no row": "DELETE FROM sales_metrics WHERE dimension = '2020-02-03T04:05Z'",
    "another day": "INSERT INTO sales_metrics VALUES ('orders_per_minute', '2020-03-01T00:00Z', 1, now())",
    "no metric": "INSERT INTO sales_metrics VALUES ('orders_a_year', '2020', 1, now())",
    "no time": "INSERT INTO sales_metrics VALUES ('orders_per_minute', 'whenever', 1, now())",
    "a far day": "INSERT INTO sales_metrics VALUES ('orders_per_minute', '2999-03-01T00:00Z', 1, now())",
    "an event": "UPDATE processed_events SET occur_time = occur_time + interval '1 minute'"
    " WHERE occur_time = '2020-02-03T04:05Z'",
    "another table": "CREATE TABLE other (LIKE sales_metrics INCLUDING ALL); INSERT INTO other SELECT metric_name,"
    " dimension, value + (dimension = '2020-02-03T04:05Z')::integer, updated_at FROM sales_metrics;"
    " ALTER TABLE sales_metrics RENAME TO before; ALTER TABLE other RENAME TO sales_metrics",
}


@pytest.mark.parametrize("statement", BY_HAND.values(), ids=BY_HAND)
def test_what_changes_a_compared_day_is_found_until_it_is_undone(owner: psycopg.Connection, statement: str) -> None:
    compare(owner)
    with owner.transaction(force_rollback=True):
        owner.execute(statement)  # type: ignore[arg-type]
        assert differences(owner) != []
        # Comparing does not make it right.
        compare(owner)
        assert differences(owner) != []
    assert differences(owner) == []


def test_a_change_that_is_undone_leaves_the_day_compared(owner: psycopg.Connection) -> None:
    compare(owner)
    for by in (1, -1):
        owner.execute("UPDATE sales_metrics SET value = value + %s WHERE dimension = '2020-02-03T04:05Z'", (by,))
        assert ("orders_per_minute", "2020-02-03T04:05Z") in differences(owner) or by == -1
    assert compare(owner) == set()
    assert differences(owner) == []


def test_a_change_that_is_committed_while_days_are_compared_is_found(
    owner: psycopg.Connection, analytics_server: Analytics
) -> None:
    with psycopg.connect(analytics_server.owner) as other:
        other.execute("UPDATE sales_metrics SET value = value + 1 WHERE dimension = '2020-02-03T04:05Z'")
        assert compare(owner) == set()
    assert ("orders_per_minute", "2020-02-03T04:05Z") in differences(owner)
    assert compare(owner) == {"2020-02-03"}


def test_days_are_compared_in_portions(owner: psycopg.Connection) -> None:
    # With the day from which the events were moved.
    for left in (2, 1, 0):
        owner.execute("SELECT compare_metric_days(1)")
        found = owner.execute("SELECT count(*) FROM unsettled_metric_day WHERE is_over").fetchone()
        assert found == (left,)


def test_a_worker_compares_and_writes_nothing_of_it_itself(
    owner: psycopg.Connection, analytics_server: Analytics
) -> None:
    with psycopg.connect(analytics_server.worker, autocommit=True) as worker:
        worker.execute(MAINTENANCE.compare_metric_days)
        for table in ("compared_metric_day", "changed_metric_day"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(f"DELETE FROM {table}")  # type: ignore[arg-type]
