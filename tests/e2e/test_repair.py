"""What a reconciliation names is repaired, and both ends agree afterwards."""

from __future__ import annotations

import time

import psycopg
import pytest
from commands import ordermesh
from front_proxy import ITEM, Platform

from orders.domain.ids import uuid7
from runtime.exit_codes import ExitCode

METRICS = "SELECT json_object_agg(metric_name || ' ' || dimension, value) FROM sales_metrics WHERE value <> 0"


@pytest.fixture
def order(platform: Platform) -> str:
    """Create and pay an order of two products, wait until everything agrees, and return its id."""
    items = [ITEM, {"productId": "p2", "quantity": 3, "price": 5}]
    order_id = platform.post("/orders", {"customerId": "cust-repair", "items": items}).json["orderId"]
    platform.post(f"/v1/orders/{order_id}:completePayment", {})
    assert platform.reconcile() == "AGREES []"
    return str(order_id)


def change(platform: Platform, database: str, *statements: str) -> None:
    """Change a database as its owner, behind the platform's back."""
    with psycopg.connect(platform.stack.context.dsn(f"{database}_owner")) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def metrics(platform: Platform) -> dict[str, int]:
    found: dict[str, int] = platform.one("analytics", METRICS)[0]
    return found


def actions(platform: Platform, database: str, action: str) -> int:
    return int(platform.one(database, "SELECT count(*) FROM audit_log WHERE action = %s", action)[0])


def assert_repaired(platform: Platform, expected: dict[str, int], *told: str) -> None:
    """Repair, first as a dry run; the metrics must be as they were, and a second repair has nothing to do."""
    assert platform.reconcile().startswith("DIFFERS")
    wrong = metrics(platform)
    plan = ordermesh(platform.stack, "repair", "--dry-run", code=ExitCode.DIFFERS)
    assert "nothing was changed" in plan
    assert metrics(platform) == wrong
    done = ordermesh(platform.stack, "repair", "--yes")
    for text in told:
        assert text in plan
        assert text in done
    assert (platform.reconcile(), metrics(platform)) == ("AGREES []", expected)
    again = ordermesh(platform.stack, "repair", "--yes")
    assert "removed" not in again
    assert "again" not in again


def test_events_that_are_published_again_are_counted_no_second_time(platform: Platform, order: str) -> None:
    expected, recorded = metrics(platform), actions(platform, "orders", "replay")
    assert "2 events of 1 keys in the outbox" in ordermesh(platform.stack, "replay", "--order", order, "--dry-run")
    assert actions(platform, "orders", "replay") == recorded
    assert ordermesh(platform.stack, "replay", "--order", order) == "2 events published again\n"
    assert "events published again" in ordermesh(platform.stack, "replay", "--from", "10m")
    assert actions(platform, "orders", "replay") >= recorded + 2
    lines = ordermesh(platform.stack, "topics", "tail", "--from", "beginning")
    sequences = [line for line in lines.splitlines() if order in line and "order-events" in line]
    # The first event stands behind the second, more than once.
    assert len(sequences) == 6
    assert (platform.reconcile(), metrics(platform)) == ("AGREES []", expected)


def test_a_counted_event_that_is_gone_is_counted_again(platform: Platform, order: str) -> None:
    expected = metrics(platform)
    change(platform, "analytics", f"DELETE FROM processed_events WHERE order_id = '{order}'")
    assert_repaired(platform, expected, "2 events lost: to be published again", "orders_total")


def test_a_phantom_is_removed_with_its_metrics_and_never_counted_again(platform: Platform, order: str) -> None:
    expected, forged = metrics(platform), uuid7(time.time_ns() // 1000)
    change(
        platform,
        "analytics",
        'INSERT INTO processed_events (event_id, order_id, occur_time, "offset", total_minor, units, partition, type,'
        f" previous_status, status) VALUES ('{forged}', '{forged}', '2020-02-03 04:05Z', 0, 100, 1, 0, 1, 0, 1)",
        "INSERT INTO sales_metrics (metric_name, dimension, value, updated_at) VALUES ('orders_total', '', 1, now()),"
        " ('orders_per_minute', '2020-02-03T04:05Z', 1, now()), ('top_products_units', 'p9', 1, now())"
        " ON CONFLICT (metric_name, dimension) DO UPDATE SET value = sales_metrics.value + excluded.value",
    )
    assert_repaired(platform, expected, "1 event counted that no order has", "1 event removed")
    found = platform.one("analytics", "SELECT count(*) FROM removed_event WHERE event_id = %s", forged)
    assert found == (1,)


def test_metrics_that_were_added_twice_are_corrected(platform: Platform, order: str) -> None:
    expected = metrics(platform)
    change(platform, "analytics", "UPDATE sales_metrics SET value = value + 7 WHERE metric_name <> 'restock_requests'")
    assert_repaired(platform, expected, "metrics differ", "revenue_total", "top_products_units")


def test_an_event_that_is_counted_with_another_price_is_counted_anew(platform: Platform, order: str) -> None:
    expected = metrics(platform)
    change(
        platform,
        "analytics",
        f"UPDATE processed_events SET total_minor = total_minor + 100 WHERE order_id = '{order}' AND type = 1",
    )
    assert_repaired(platform, expected, "1 event with wrong sums")
