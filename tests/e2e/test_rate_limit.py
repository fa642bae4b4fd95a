"""A platform that nobody has ordered from yet, behind a low limit of requests per second."""

from __future__ import annotations

import grpc
import pytest
from front_proxy import ITEM, Answer, Platform, await_true

FLOOD = 60


def test_the_list_of_an_empty_platform_is_an_empty_array(quiet_platform: Platform) -> None:
    answers: list[Answer] = []

    def answered() -> bool:
        answers.append(quiet_platform.curl("/orders"))
        return answers[-1].status == 200

    await_true(answered, "a request was let through")
    assert answers[-1].headers["content-type"] == "application/json"
    assert answers[-1].json == []


def test_a_flood_is_answered_429_with_the_limit_and_when_to_come_back(quiet_platform: Platform) -> None:
    before = quiet_platform.stored()
    answers = [quiet_platform.curl("/orders") for _ in range(FLOOD)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert {answer.status for answer in answers} <= {200, 429}
    assert (refused[0].json["code"], refused[0].json["message"]) == (8, "rate limit exceeded")
    assert refused[0].json["details"][0]["reason"] == "RATE_LIMITED"
    assert refused[0].headers["content-type"] == "application/json"
    assert refused[0].headers["x-ratelimit-limit"].split(",")[0] == "4"
    assert refused[0].headers["x-ratelimit-remaining"] == "0"
    assert int(refused[0].headers["retry-after"]) >= 0
    assert quiet_platform.stored() == before


def test_a_flood_over_grpc_is_resource_exhausted_with_the_same_headers(quiet_platform: Platform) -> None:
    ask = quiet_platform.channel.unary_unary("/ordermesh.orders.v1.OrderService/GetOrder")
    for _ in range(FLOOD):
        with pytest.raises(grpc.RpcError) as raised:
            ask(b"", timeout=10)
        if raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            break
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    headers = {key for key, _ in (*raised.value.initial_metadata(), *raised.value.trailing_metadata())}
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"} <= headers


def test_who_waits_is_served_again(quiet_platform: Platform) -> None:
    body = {"customerId": "cust-patient", "items": [ITEM]}
    await_true(lambda: quiet_platform.post("/orders", body).status == 200, "an order was let through")
    query = "SELECT count(*) FROM orders WHERE customer_id = 'cust-patient'"
    assert quiet_platform.one("orders", query) == (1,)
