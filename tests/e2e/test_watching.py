"""Watching through Envoy as clients do it with curl: events, lines, and a revision to go on from."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from front_door import Platform


@contextmanager
def watching(platform: Platform, path: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Watch a path with curl and give its messages as they come."""
    command = ["curl", "-sN", "--max-time", "60", platform.stack.rest + path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        lines = (line.removeprefix(b"data:").strip() for line in curl.stdout)
        yield (json.loads(line) for line in lines if line)
        curl.terminate()


def change_of(messages: Iterator[dict[str, Any]], order_id: str) -> dict[str, Any]:
    """Return the next message about an order."""
    return next(one for one in messages if one.get("change", {}).get("orderId") == order_id)


@pytest.mark.parametrize(("path", "prefix"), [("/v1/orders:watch", b"data: {"), ("/v1/orders:watchLines", b"{")])
def test_orders_are_watched_as_events_and_as_lines(platform: Platform, path: str, prefix: bytes) -> None:
    command = ["curl", "-sN", "--max-time", "60", platform.stack.rest + path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        first = curl.stdout.readline()
        curl.terminate()
    assert first.startswith(prefix)
    assert "heartbeat" in json.loads(first.removeprefix(b"data:"))


def test_an_order_is_told_step_by_step(platform: Platform) -> None:
    with watching(platform, "/v1/orders:watch?customerId=cust-watched") as messages:
        assert next(messages)["heartbeat"]["sentAt"]
        order_id = platform.order("cust-watched")["orderId"]
        created = change_of(messages, order_id)["change"]
        assert platform.post(f"/v1/orders/{order_id}:completePayment", {}).status == 200
        paid = change_of(messages, order_id)["change"]
    assert (created["type"], created["sequence"], created["status"]) == ("ORDER_CREATED", 1, "CREATED")
    assert (created["customerId"], created["totalPrice"]) == ("cust-watched", 20)
    assert (paid["type"], paid["sequence"], paid["previousStatus"]) == ("PAYMENT_COMPLETED", 2, "CREATED")


def test_what_happened_while_nobody_watched_is_told_after_the_revision(platform: Platform) -> None:
    with watching(platform, "/v1/orders:watchLines") as messages:
        revision = next(messages)["revision"]
    order_id = platform.order("cust-missed")["orderId"]
    with watching(platform, f"/v1/orders:watchLines?afterRevision={revision}&customerId=cust-missed") as messages:
        assert change_of(messages, order_id)["change"]["sequence"] == 1


def test_totals_are_watched_as_they_change(platform: Platform) -> None:
    with watching(platform, "/v1/analytics:watch?intervalMs=200") as messages:
        assert "summary" in next(messages)
        platform.order("cust-totals")
        (stored,) = platform.one("orders", "SELECT count(*) FROM orders")
        totals = (int(one["summary"]["ordersTotal"]) for one in messages if "summary" in one)
        assert next(total for total in totals if total >= stored) == stored


@pytest.mark.parametrize("path", ["/v1/orders:watch", "/v1/orders:watchLines", "/v1/analytics:watch"])
def test_a_wrong_revision_is_an_ordinary_error(platform: Platform, path: str) -> None:
    answer = platform.curl(f"{path}?afterRevision=nonsense")
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert "afterRevision" in answer.json["message"]
