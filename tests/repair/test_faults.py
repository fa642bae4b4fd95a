"""Faults that only an operator can repair: afterwards both ends agree, and the metrics are exact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_stack import BrokenStack

from runtime.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(100)


def assert_repaired(broken: BrokenStack, expected: dict[str, int], *options: str) -> str:
    """Repair, and return what was told; the metrics are as expected, and nothing is left to do."""
    assert broken.reconcile().startswith("DIFFERS")
    told = broken.run("repair", "--yes", *options)
    assert (broken.verdict(), broken.metrics()) == ("AGREES []", expected)
    broken.order()
    assert "again" not in broken.run("repair", "--yes")
    assert broken.verdict() == "AGREES []"
    return told


def test_the_analytics_database_is_restored_from_an_older_backup(broken: BrokenStack) -> None:
    """The events since are no longer in Kafka, so that counting from the older positions does not find them."""
    before = broken.paid()
    assert broken.verdict() == "AGREES []"
    broken.back_up("analytics")
    for _ in range(5):
        broken.paid()
    broken.post(f"/v1/orders/{before}:cancel", {})
    assert broken.verdict() == "AGREES []"
    expected = broken.metrics()
    broken.delete_records()
    broken.restore("analytics")
    assert "11 events lost" in assert_repaired(broken, expected)


def test_the_orders_database_is_restored_from_an_older_backup(broken: BrokenStack, tmp_path: Path) -> None:
    before = str(broken.order()["orderId"])
    assert broken.verdict() == "AGREES []"
    expected = broken.metrics()
    broken.back_up("orders")
    lost = broken.paid("cust-lost")
    broken.pay(before)
    assert broken.verdict() == "AGREES []"
    broken.restore("orders")
    exported = tmp_path / "lost.jsonl"
    plan = broken.run("repair", "--dry-run", code=ExitCode.DIFFERS)
    assert "3 events counted that no order has" in plan
    assert lost in plan
    told = assert_repaired(broken, expected, "--export", str(exported))
    assert "Kafka has 3 of these 3 events" in told
    orders = {order["key"]: order for order in map(json.loads, exported.read_text().splitlines())}
    assert orders.keys() == {before, lost}
    assert (orders[lost]["customer_id"], orders[lost]["status"], orders[lost]["total_minor"]) == (
        "cust-lost",
        "PAID",
        "3500",
    )
    created, paid = (each["event"] for each in orders[lost]["events"])
    assert [item["product_id"] for item in created["order_created"]["items"]] == ["p1", "p2"]
    assert (created["sequence"], paid["sequence"]) == (1, 2)
    assert broken.one("orders", "SELECT status::text FROM orders WHERE order_id = %s", before) == ("CREATED",)


def test_a_topic_is_deleted_with_unread_events(broken: BrokenStack) -> None:
    with broken.stopped_processor():
        orders = [broken.paid() for _ in range(5)]
        broken.await_published()
        broken.recreate_topic()
    # Later events of these orders are counted; those before are lost.
    for order_id in orders[:2]:
        broken.post(f"/v1/orders/{order_id}:ship", {})
    told = broken.run("repair", "--yes", "--wait", "120")
    assert "10 events lost" in told
    assert broken.verdict() == "AGREES []"
    assert "again" not in broken.run("repair", "--yes")


def test_offsets_of_the_group_are_set_to_the_ends(broken: BrokenStack) -> None:
    """The positions in the database are what counts: nothing is skipped."""
    with broken.stopped_processor():
        broken.paid()
        broken.await_published()
        broken.skip_to_ends()
    assert "again" not in broken.run("repair", "--yes", "--wait", "120")
    assert broken.verdict() == "AGREES []"


def test_retention_overtakes_a_stopped_processor(broken: BrokenStack) -> None:
    with broken.stopped_processor():
        for _ in range(5):
            broken.paid()
        broken.await_published()
        broken.delete_records()
    with broken.traffic():
        broken.change("analytics", "UPDATE sales_metrics SET value = value + 5 WHERE metric_name LIKE 'top_products_%'")
        told = broken.run("repair", "--yes", "--wait", "120")
        assert "10 events lost" in told
        assert "top_products_units" in told
    assert broken.verdict() == "AGREES []"
