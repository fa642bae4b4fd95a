"""The pages of the objectives: the alarm is caused, the page is followed, the alarm ends."""

from __future__ import annotations

import pytest
from monitoring import targets
from operator_desk import Operator
from sessions import locked_again_and_again, open_transaction

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]
CRITICAL = {"severity": "critical"}


def test_create_order_errors(operator: Operator) -> None:
    operator.await_silence(also_objectives=True)
    with open_transaction(operator.world.dsn("orders"), "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"):
        operator.handle("OrdermeshCreateOrderErrors", "slo/create-order-errors.md", labels=CRITICAL)


def test_counting_delay(operator: Operator) -> None:
    operator.await_silence(also_objectives=True)
    lock = "LOCK TABLE processed_events IN EXCLUSIVE MODE"
    with locked_again_and_again(operator.world.dsn("analytics"), lock, seconds=2.5, pause=0.5):
        operator.handle("OrdermeshCountingDelay", "slo/counting-delay.md", labels=CRITICAL)


def test_slo_unmeasured(operator: Operator) -> None:
    """Prometheus scrapes the front proxy with a filter that leaves out what clients asked."""
    (envoy,) = [one for one in targets(operator.world.stack) if one["labels"]["job"] == "ordermesh-envoy"]
    seen = operator.handle_scraping(
        "OrdermeshSloUnmeasured",
        "slo/slo-unmeasured.md",
        "ordermesh-envoy",
        {"labels": envoy["labels"] | {"__param_filter": "^server"}},
        labels={"slo": "create-order"},
    )
    assert "filter=%5Eserver" in seen
