"""Numbers that somebody changed behind the platform's back: the reconciliation says that they are wrong, and which."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from front_proxy import ITEM, Platform, await_true
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc

from orders.domain.ids import uuid7

Response = pipeline_pb2.ReconcileResponse
Finding = Response.Finding
# An id of now, since retention drops what has an old id.
FORGED = uuid7(time.time_ns() // 1000)


@pytest.fixture
def order(platform: Platform) -> str:
    """Create an order of two products, wait until everything agrees, and return its id."""
    items = [ITEM, {"productId": "p2", "quantity": 3, "price": 5}]
    answer = platform.post("/orders", {"customerId": "cust-tamper", "items": items})
    await_true(lambda: reconcile(platform).verdict == Response.AGREES, "everything agrees")
    return str(answer.json["orderId"])


def reconcile(platform: Platform, *, full: bool = False) -> Response:
    with platform.stack.channel() as channel:
        stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
        answer: Response = stub.Reconcile(pipeline_pb2.ReconcileRequest(wait_seconds=30, full=full), timeout=60)
        return answer


@contextmanager
def changed(platform: Platform, database: str, there: list[str], back: list[str]) -> Iterator[Response]:
    """Change a database as its owner, reconcile, and undo the change."""
    with psycopg.connect(platform.stack.context.dsn(f"{database}_owner"), autocommit=True) as connection:
        for statement in there:
            connection.execute(statement)  # type: ignore[arg-type]
        try:
            yield reconcile(platform)
        finally:
            for statement in back:
                connection.execute(statement)  # type: ignore[arg-type]
    assert reconcile(platform).verdict == Response.AGREES


def names(answer: Response, kind: Finding.Kind, read: Callable[[Finding], object]) -> set[object]:
    assert answer.verdict == Response.DIFFERS, answer
    return {read(one) for one in answer.findings if one.kind == kind}


def move(metric: str, source: str, target: str) -> str:
    return (
        f"UPDATE sales_metrics SET value = value + CASE dimension WHEN '{target}' THEN 1 ELSE -1 END"
        f" WHERE metric_name = '{metric}' AND dimension IN ('{source}', '{target}')"
    )


def test_units_that_moved_to_another_product_are_named_whatever_dead_letters_there_are(
    platform: Platform, order: str
) -> None:
    garbage = (
        'INSERT INTO dead_letter (topic, partition, "offset", dlq_topic, dlq_partition, dlq_offset, reason, detail)'
        " VALUES ('stock', 0, 999999999, 'stock.dlq', 0, 0, 'UNDECODABLE', 'garbage')"
    )
    no_garbage = 'DELETE FROM dead_letter WHERE "offset" = 999999999'
    metric = "top_products_units"
    there, back = [garbage, move(metric, "p2", "p1")], [no_garbage, move(metric, "p1", "p2")]
    with changed(platform, "analytics", there, back) as answer:
        assert answer.dead_letters
        assert names(answer, Finding.METRIC, lambda one: one.dimension) == {"p1", "p2"}


def test_an_event_of_2020_that_no_order_has_is_named(platform: Platform, order: str) -> None:
    forged = (
        'INSERT INTO processed_events (event_id, order_id, occur_time, "offset", total_minor, units, partition, type,'
        f" previous_status, status) VALUES ('{FORGED}', '{FORGED}', '2020-02-03 04:05Z', 0, 100, 1, 0, 1, 0, 1)"
    )
    minute = "2020-02-03T04:05Z"
    added = (
        "INSERT INTO sales_metrics (metric_name, dimension, value, updated_at) VALUES"
        " ('orders_total', '', 1, now()), ('revenue_total', '', 100, now()), ('orders_by_status', 'CREATED', 1, now()),"
        f" ('orders_per_minute', '{minute}', 1, now()), ('revenue_per_minute', '{minute}', 100, now()),"
        " ('top_products_units', 'p1', 1, now()), ('top_products_revenue', 'p1', 100, now())"
        " ON CONFLICT (metric_name, dimension) DO UPDATE SET value = sales_metrics.value + excluded.value"
    )
    removed = added.replace("sales_metrics.value + excluded", "sales_metrics.value - excluded")
    back = [f"DELETE FROM processed_events WHERE event_id = '{FORGED}'", removed]
    with changed(platform, "analytics", [forged, added], back) as answer:
        assert names(answer, Finding.PHANTOM, lambda one: tuple(one.event_ids)) == {(FORGED,)}


def test_an_order_whose_status_was_changed_without_an_event_is_named(platform: Platform, order: str) -> None:
    there = [f"UPDATE orders SET status = 'SHIPPED' WHERE order_id = '{order}'"]
    back = [f"UPDATE orders SET status = 'CREATED' WHERE order_id = '{order}'"]
    with changed(platform, "orders", there, back) as answer:
        assert names(answer, Finding.ORDER, lambda one: tuple(one.order_ids)) == {(order,)}


def test_a_counted_event_that_is_gone_is_named_as_lost(platform: Platform, order: str) -> None:
    """The row is kept aside, as a restore of an older backup would lose it."""
    condition = f"order_id = '{order}'"
    there = [
        f"CREATE TABLE aside AS SELECT * FROM processed_events WHERE {condition}",
        f"DELETE FROM processed_events WHERE {condition}",
    ]
    back = ["INSERT INTO processed_events SELECT * FROM aside", "DROP TABLE aside"]
    event = platform.one("orders", "SELECT event_id::text FROM event_outbox WHERE key = %s", order)[0]
    with changed(platform, "analytics", there, back) as answer:
        assert names(answer, Finding.LOST, lambda one: tuple(one.event_ids)) == {(event,)}


def test_an_event_that_was_removed_without_triggers_is_named_by_a_full_reconciliation(
    platform: Platform, order: str
) -> None:
    """The ledgers are equal: only rows tell that it is gone."""
    condition = f"order_id = '{order}'"
    no_triggers, triggers = (f"ALTER TABLE processed_events {word} TRIGGER USER" for word in ("DISABLE", "ENABLE"))
    there = [
        f"CREATE TABLE aside AS SELECT * FROM processed_events WHERE {condition}",
        no_triggers,
        f"DELETE FROM processed_events WHERE {condition}",
        triggers,
    ]
    back = [no_triggers, "INSERT INTO processed_events SELECT * FROM aside", triggers, "DROP TABLE aside"]
    event = platform.one("orders", "SELECT event_id::text FROM event_outbox WHERE key = %s", order)[0]
    with changed(platform, "analytics", there, back) as answer:
        assert answer.verdict == Response.AGREES
        full = reconcile(platform, full=True)
        assert names(full, Finding.LOST, lambda one: tuple(one.event_ids)) == {(event,)}
        assert names(full, Finding.LEDGER, lambda one: one.actual - one.expected) == {1}


def test_the_platform_reconciles_by_itself(platform: Platform) -> None:
    def state() -> pipeline_pb2.PipelineStatus.Reconciliation:
        with platform.stack.channel() as channel:
            stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
            return stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=10).reconciliation

    await_true(lambda: state().verdict == Response.AGREES, "the closed minutes agree", 90)
    assert state().HasField("exact_until_time")
