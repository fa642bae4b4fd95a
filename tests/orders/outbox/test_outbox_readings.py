"""What the metrics show of the outbox and its database, on a real PostgreSQL."""

import psycopg
import pytest
from outbox_world import drain, event, insert, order_ids, publishing

from orders.outbox.readings import OUTBOX_SOURCE
from orders.settings import PublisherSettings
from runtime.postgres.readings import SERVER, TABLES, DatabaseReader, Source
from runtime.telemetry import metrics
from runtime.telemetry.metrics import servers
from runtime.telemetry.metrics.component_metric import Labels, ReadMetric
from runtime.telemetry.metrics.readings import READINGS


def read(dsn: str, *sources: Source) -> dict[str, dict[Labels, float]]:
    """Read the sources now and return the values of each metric."""
    DatabaseReader(dsn, "orders", "none", sources).read_due()
    return {name: dict(values) for reading in READINGS.current() for name, values in reading.values.items()}


def value(dsn: str, metric: ReadMetric) -> float:
    """Return the value of a metric of the outbox without labels."""
    return read(dsn, OUTBOX_SOURCE)[metric.specification.name][()]


def older(connection: psycopg.Connection, seconds: int, *ids: int) -> None:
    """Move the time of events into the past."""
    connection.execute(
        "UPDATE event_outbox SET occur_time = occur_time - make_interval(secs => %s) WHERE id = ANY(%s)",
        (seconds, list(ids)),
    )


def test_an_outbox_without_events_has_no_age(orders_dsn: str) -> None:
    shown = read(orders_dsn, OUTBOX_SOURCE)
    names = (metrics.OUTBOX_PENDING, metrics.OUTBOX_OLDEST_AGE, metrics.OUTBOX_DEAD)
    assert [shown[metric.specification.name] for metric in names] == [{(): 0.0}] * 3


def test_the_age_is_that_of_the_oldest_event_until_it_is_published(
    orders_dsn: str, owner: psycopg.Connection, settings: PublisherSettings
) -> None:
    ids = insert(owner, *(event(order_id, 1) for order_id in order_ids(20)))
    # The first of its shard: an event is never older than one before it.
    older(owner, 100, ids[0])
    assert value(orders_dsn, metrics.OUTBOX_PENDING) == 20
    first = value(orders_dsn, metrics.OUTBOX_OLDEST_AGE)
    assert 100 <= first < 200
    assert value(orders_dsn, metrics.OUTBOX_OLDEST_AGE) > first
    with publishing(settings) as publisher:
        drain(publisher)
    assert value(orders_dsn, metrics.OUTBOX_PENDING) == 0
    assert value(orders_dsn, metrics.OUTBOX_OLDEST_AGE) == 0


def test_dead_events_are_counted_and_have_no_age(orders_dsn: str, owner: psycopg.Connection) -> None:
    ids = insert(owner, *(event(order_id, 1) for order_id in order_ids(3)))
    owner.execute("UPDATE event_outbox SET status = 'DEAD' WHERE id = ANY(%s)", (ids,))
    assert value(orders_dsn, metrics.OUTBOX_DEAD) == 3
    assert value(orders_dsn, metrics.OUTBOX_OLDEST_AGE) == 0


def test_the_service_may_read_all_that_its_metrics_show(orders_dsn: str, owner: psycopg.Connection) -> None:
    with psycopg.connect(orders_dsn) as held:
        held.execute("SELECT 1")
        shown = read(orders_dsn, SERVER, TABLES)
    assert shown[servers.POSTGRES_CONNECTIONS.specification.name]["orders", "idle_in_transaction"] >= 1
    assert shown[servers.POSTGRES_OLDEST_TRANSACTION.specification.name]["orders",] > 0
    limit = owner.execute("SHOW max_connections").fetchone()
    assert limit is not None
    assert shown[servers.POSTGRES_MAX_CONNECTIONS.specification.name] == {("orders",): float(limit[0])}
    tables = shown[servers.TABLE_BYTES.specification.name]
    total = owner.execute(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('event_outbox') WHERE isleaf"
    ).fetchone()
    assert total is not None
    assert tables["orders", "event_outbox"] == float(total[0])
    assert sum(tables.values()) < shown[servers.POSTGRES_DATABASE_BYTES.specification.name]["orders",]
    assert shown[servers.TABLE_OLDEST.specification.name].keys() == {
        ("orders", name) for (name,) in owner.execute("SELECT name FROM partitioned_table")
    }


def test_what_cannot_be_read_is_an_error_and_no_value(orders_dsn: str) -> None:
    broken = Source("broken", 5.0, {metrics.OUTBOX_DEAD: "SELECT 1 / 0"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        DatabaseReader(orders_dsn, "orders", "none", [broken]).read_due()
