"""Metrics that are made anew beside the live ones, and put in their place."""

from __future__ import annotations

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
    with broken.traffic():
        broken.run("rebuild", "--from", source, "--yes")
    assert broken.verdict() == "AGREES []"
    exact = broken.metrics()
    assert "are kept" in broken.refused("rebuild", "--yes")
    with broken.traffic():
        broken.run("rebuild", "--rollback")
    assert broken.reconcile().startswith("DIFFERS")
    assert broken.metrics() != exact
    broken.run("rebuild", "--from", source, "--yes")
    assert broken.verdict() == "AGREES []"
    broken.run("rebuild", "--drop-old")
    with broken.traffic():
        broken.paid()
    assert broken.verdict() == "AGREES []"
