"""Metrics that are made anew beside the live ones, and put in their place."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from broken_stack import BrokenStack

from runtime.exit_codes import ExitCode

pytestmark = pytest.mark.timeout(600)
WRONG = (
    "UPDATE sales_metrics SET value = value + 3 WHERE metric_name IN ('orders_total', 'top_products_units')",
    "DELETE FROM sales_metrics WHERE metric_name = 'revenue_per_minute'",
    "DELETE FROM event_ledger WHERE event_type = 3",
    "DELETE FROM processed_events WHERE type = 3",
    "INSERT INTO sales_metrics VALUES ('orders_by_status', 'SHIPPED', 8, now())"
    " ON CONFLICT (metric_name, dimension) DO UPDATE SET value = 8",
)


@pytest.fixture(params=["orders", "log"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def traffic(broken: BrokenStack) -> Iterator[None]:
    """Place and pay orders in the meantime."""
    stop = threading.Event()

    def place() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            order_id = str(broken.order()["orderId"])
            if number % 2:
                broken.pay(order_id)

    thread = threading.Thread(target=place)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_wrong_metrics_are_made_anew_under_traffic_and_can_be_put_back(broken: BrokenStack, source: str) -> None:
    broken.paid()
    assert broken.verdict() == "AGREES []"
    assert "no metric differs" in broken.run("rebuild", "--from", source, "--dry-run")
    broken.change("analytics", *WRONG)
    assert broken.reconcile().startswith("DIFFERS")
    wrong = broken.metrics()
    plan = broken.run("rebuild", "--from", source, "--dry-run", code=ExitCode.DIFFERS)
    assert "nothing was changed" in plan
    assert "revenue_per_minute" in plan
    assert broken.metrics() == wrong
    with traffic(broken):
        broken.run("rebuild", "--from", source, "--yes")
    assert broken.verdict() == "AGREES []"
    exact = broken.metrics()
    assert "are kept" in broken.refused("rebuild", "--yes")
    with traffic(broken):
        broken.run("rebuild", "--rollback")
    assert broken.reconcile().startswith("DIFFERS")
    assert broken.metrics() != exact
    broken.run("rebuild", "--from", source, "--yes")
    assert broken.verdict() == "AGREES []"
    broken.run("rebuild", "--drop-old")
    with traffic(broken):
        broken.paid()
    assert broken.verdict() == "AGREES []"
