"""The life of an order, and the numbers that include it, through the front proxy."""

from __future__ import annotations

import secrets
import urllib.parse

import pytest
from front_proxy import ITEM, Platform, await_true

ANSWERS = (
    "/v1/analytics/sales-summary",
    "/v1/analytics/metrics",
    "/v1/analytics/top-products",
    "/v1/analytics/orders-per-minute",
)


def test_the_life_of_an_order_is_told_from_its_trace_to_its_worker(platform: Platform) -> None:
    trace_id = secrets.token_hex(16)
    order = {"customerId": "cust-life", "items": [ITEM]}
    made = platform.post("/orders", order, "-H", f"traceparent: 00-{trace_id}-{'b' * 16}-01").json
    order_id = made["orderId"]
    assert platform.post(f"/v1/orders/{order_id}:completePayment", {}).status == 200

    def events() -> list[dict[str, object]]:
        return platform.curl(f"/v1/orders/{order_id}:timeline").json["events"]  # type: ignore[no-any-return]

    await_true(lambda: [one["state"] for one in events()] == ["COUNTED", "COUNTED"], "both events are counted")
    told = platform.curl(f"/v1/orders/{order_id}:timeline").json
    created, paid = told["events"]
    assert (told["status"], told["customerId"], told["traceId"]) == ("PAID", "cust-life", trace_id)
    assert (created["eventType"], created["sequence"], paid["eventType"], paid["sequence"]) == (
        "ORDER_CREATED", 1, "PAYMENT_COMPLETED", 2,
    )  # fmt: skip
    assert (created["traceId"], created["sampled"], created["missing"]) == (trace_id, True, [])
    assert created["partition"] == paid["partition"]
    assert int(created["offset"]) < int(paid["offset"])
    assert created["worker"]
    assert created["outboxMs"] >= 0
    assert created["countMs"] >= created["outboxMs"]
    assert told["missing"] == []


@pytest.mark.parametrize("path", ANSWERS)
def test_an_answer_includes_ones_own_write_and_says_how_fresh_it_is(platform: Platform, path: str) -> None:
    revision = platform.order("cust-own-write")["revision"]
    query = urllib.parse.urlencode({"minRevisions": revision, "waitMs": 10_000})
    answer = platform.curl(f"{path}?{query}")
    assert answer.status == 200, answer.body
    freshness = answer.json["freshness"]
    assert freshness["lagMs"] >= 0
    assert int(freshness["lagEvents"]) >= 0
    assert freshness["asOfTime"]


def test_a_revision_that_is_none_is_refused_by_the_name_of_its_field(platform: Platform) -> None:
    answer = platform.curl("/v1/analytics/sales-summary?minRevisions=nothing")
    assert answer.status == 400
    assert "minRevisions[0]" in answer.json["message"]
