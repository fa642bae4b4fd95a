"""The platform behind a low limit of requests per second."""

from __future__ import annotations

import grpc
import pytest
from front_proxy import ITEM, Platform, await_true

FLOOD = 60


def test_a_flood_is_answered_429_with_the_limit_and_when_to_come_back(limited_platform: Platform) -> None:
    before = limited_platform.stored()
    answers = [limited_platform.curl("/orders") for _ in range(FLOOD)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert {answer.status for answer in answers} <= {200, 429}
    assert (refused[0].json["code"], refused[0].json["message"]) == (8, "rate limit exceeded")
    assert refused[0].json["details"][0]["reason"] == "RATE_LIMITED"
    assert refused[0].headers["content-type"] == "application/json"
    assert refused[0].headers["x-ratelimit-limit"].split(",")[0] == "4"
    assert refused[0].headers["x-ratelimit-remaining"] == "0"
    assert int(refused[0].headers["retry-after"]) >= 0
    assert limited_platform.stored() == before


def test_a_flood_over_grpc_is_resource_exhausted_with_the_same_headers(limited_platform: Platform) -> None:
    ask = limited_platform.channel.unary_unary("/ordermesh.orders.v1.OrderService/GetOrder")
    for _ in range(FLOOD):
        with pytest.raises(grpc.RpcError) as raised:
            ask(b"", timeout=10)
        if raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            break
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    headers = {key for key, _ in (*raised.value.initial_metadata(), *raised.value.trailing_metadata())}
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"} <= headers


def test_who_waits_is_served_again(limited_platform: Platform) -> None:
    body = {"customerId": "cust-patient", "items": [ITEM]}
    await_true(lambda: limited_platform.post("/orders", body).status == 200, "an order was let through")
    query = "SELECT count(*) FROM orders WHERE customer_id = 'cust-patient'"
    assert limited_platform.one("orders", query) == (1,)
