"""Watching through Envoy as clients do it with curl: events, lines, and a revision to go on from."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from front_proxy import Platform


@contextmanager
def watching(platform: Platform, path: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Watch a path with curl and give its messages as they come."""
    command = ["curl", "-sN", "--max-time", "60", platform.stack.rest + path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        lines = (line.removeprefix(b"data:").strip() for line in curl.stdout if not line.startswith(b"id:"))
        yield (json.loads(line) for line in lines if line)
        curl.terminate()


def change_of(messages: Iterator[dict[str, Any]], order_id: str) -> dict[str, Any]:
    """Return the next message about an order."""
    return next(one for one in messages if one.get("change", {}).get("orderId") == order_id)


@dataclass
class EventSource:
    """A client of server-sent events as the HTML standard has it: it keeps the last event id and sends it again."""

    url: str
    last_event_id: str = ""

    @contextmanager
    def connected(self) -> Iterator[Iterator[dict[str, Any]]]:
        """Connect, and give the data of the events as they come."""
        header = ["-H", f"Last-Event-ID: {self.last_event_id}"] if self.last_event_id else []
        command = ["curl", "-sN", "--max-time", "60", *header, self.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            yield self.dispatched(line.decode().rstrip("\n") for line in curl.stdout)
            curl.terminate()

    def dispatched(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        """Interpret an event stream, 9.2.6 of the standard."""
        data, event_id = "", self.last_event_id
        for line in lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line and data:
                self.last_event_id = event_id
                yield json.loads(data)
                data = ""
            elif field == "data":
                data += f"{value}\n"
            elif field == "id" and "\0" not in value:
                event_id = value


@pytest.mark.parametrize("query", ["", "?afterRevision={begin}"])
def test_an_event_source_that_comes_back_goes_on_behind_its_last_event(platform: Platform, query: str) -> None:
    with watching(platform, "/v1/orders:watchLines?customerId=cust-back") as messages:
        begin = next(messages)["revision"]
    url = f"{platform.stack.rest}/v1/orders:watch{query.format(begin=begin)}"
    source = EventSource(url)
    with source.connected() as events:
        assert next(events)["revision"] == source.last_event_id
        first = platform.order("cust-back")["orderId"]
        told = change_of(events, first)
        assert source.last_event_id == told["revision"]
    second = platform.order("cust-back")["orderId"]
    with source.connected() as events:
        changes = (one["change"] for one in events if one.get("change", {}).get("customerId") == "cust-back")
        assert next(changes)["orderId"] == second


def test_totals_and_status_have_event_ids_too_and_a_wrong_one_is_refused(platform: Platform) -> None:
    for path in ("/v1/analytics:watch?intervalMs=200", "/v1/pipeline/status:watch?intervalMs=200"):
        source = EventSource(platform.stack.rest + path)
        with source.connected() as events:
            assert next(events)["revision"] == source.last_event_id
    answer = platform.curl("/v1/analytics:watch", "-H", "Last-Event-ID: nonsense")
    assert (answer.status, "last-event-id" in answer.json["message"]) == (400, True)


@pytest.mark.parametrize(("path", "prefix"), [("/v1/orders:watch", b"id: "), ("/v1/orders:watchLines", b"{")])
def test_orders_are_watched_as_events_and_as_lines(platform: Platform, path: str, prefix: bytes) -> None:
    command = ["curl", "-sN", "--max-time", "60", platform.stack.rest + path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        first = curl.stdout.readline()
        data = curl.stdout.readline() if prefix == b"id: " else first
        curl.terminate()
    assert first.startswith(prefix)
    assert "heartbeat" in json.loads(data.removeprefix(b"data: "))


def test_an_order_is_told_step_by_step(platform: Platform) -> None:
    with watching(platform, "/v1/orders:watch?customerId=cust-watched") as messages:
        assert next(messages)["heartbeat"]["sendTime"]
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
