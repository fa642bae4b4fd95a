"""The logs of a stack under load in the store: one trace id finds every service's lines, and no line is missing."""

from __future__ import annotations

import re
import runpy
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from front_proxy import ITEM, Platform
from log_store import LogStore
from seed import seeded_stack
from shipper import ROOT, Shipper
from waiting import await_true

pytestmark = [pytest.mark.long, pytest.mark.timeout(450)]
SEARCHES: dict[str, tuple[str, list[str]]] = runpy.run_path(str(ROOT / "deploy/logs/generate.py"))["SEARCHES"]
ORDERS = 300
SAMPLED_EVERY = 30
LINES = {
    ("envoy", "request"),
    ("orders", "order accepted"),
    ("publisher", "event published"),
    ("processor", "event counted"),
}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with seeded_stack() as stack:
        yield Platform(stack)


@pytest.fixture(scope="module")
def shipped(platform: Platform, store: LogStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipper]:
    logs = platform.stack.stack.state.logs
    shipper = Shipper(logs, tmp_path_factory.mktemp("shipper") / "state", store.address, store.certificate)
    shipper.start()
    yield shipper
    shipper.kill()


@pytest.fixture(scope="module")
def traces(platform: Platform, shipped: Shipper) -> dict[str, str]:
    """Send orders, and return the order ids by trace id of those that are sampled."""
    found = {}
    for number in range(ORDERS):
        trace, sampled = secrets.token_hex(16), number % SAMPLED_EVERY == 0
        traceparent = f"traceparent: 00-{trace}-{secrets.token_hex(8)}-{'01' if sampled else '00'}"
        body = {"customerId": f"cust-{number % 7}", "items": [ITEM]}
        order = platform.post("/orders", body, "-H", traceparent).json["orderId"]
        if sampled:
            found[trace] = order
    return found


def search(store: LogStore, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines that a query finds, by their times."""
    store.ask("POST", "/ordermesh-logs-*/_refresh")
    body = {"size": 1000, "query": query, "sort": [{"@timestamp": "asc"}]}
    answer = store.ask("POST", "/ordermesh-logs-*/_search", body)
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def test_one_trace_id_finds_the_lines_of_every_service(store: LogStore, traces: dict[str, str]) -> None:
    for trace, order in traces.items():
        query = {"term": {"trace.id": trace}}

        def said(query: dict[str, Any] = query) -> set[tuple[str, str]]:
            return {(line["service.name"], line["message"]) for line in search(store, query)}

        await_true(lambda said=said: said() == LINES, lambda said=said: str(said()))
        lines = search(store, query)
        assert len(lines) == len(LINES)
        assert {line.get("ordermesh.order_id", order) for line in lines} == {order}
        assert all(len(line["span.id"]) == 16 for line in lines)
        (accepted,) = (line for line in lines if line["message"] == "order accepted")
        # By the customer, as a support desk asks.
        customer = {"bool": {"filter": [{"term": {"user.id": accepted["user.id"]}}, query]}}
        assert len(search(store, customer)) == 1


def test_every_line_of_the_files_is_in_the_store_and_every_value_is_indexed(
    platform: Platform, store: LogStore, traces: dict[str, str], shipped: Shipper
) -> None:
    logs = platform.stack.stack.state.logs
    platform.stack.stack.down()

    def in_files() -> Counter[str]:
        return Counter({path.stem: lines_of(path) for path in logs.glob("*.log") if lines_of(path)})

    def in_store() -> Counter[str]:
        store.ask("POST", "/ordermesh-logs-*/_refresh")
        groups = {"logs": {"terms": {"field": "event.dataset", "size": 100}}}
        known = {"terms": {"event.dataset": list(in_files())}}
        answer = store.ask("POST", "/ordermesh-logs-*/_search", {"size": 0, "query": known, "aggs": groups})
        return Counter({one["key"]: one["doc_count"] for one in answer["aggregations"]["logs"]["buckets"]})

    await_true(
        lambda: in_store() == in_files(), lambda: f"{in_files() - in_store()} {shipped.output.read_text()[-900:]}"
    )
    assert in_files()["access"] >= ORDERS
    # What an index could not take of a line.
    assert search(store, {"exists": {"field": "_ignored"}}) == []
    assert not (shipped.state / "refused.jsonl").exists()


def lines_of(path: Path) -> int:
    """Return how many lines a log has."""
    return sum(1 for line in path.read_text().split("\n") if line.strip())


def as_query_string(kql: str) -> str:
    """Return a query of Kibana's language in Lucene's, for the forms that are used here."""
    return re.sub(r" (>=|<) (\d+)", r":\1\2", kql.replace(" and ", " AND ").replace(" or ", " OR "))


def test_the_saved_searches_find_what_their_titles_say(
    store: LogStore, platform: Platform, traces: dict[str, str]
) -> None:
    found = {}
    for title, (query, columns) in SEARCHES.items():
        lines = search(store, {"query_string": {"query": as_query_string(query)}})
        found[title] = lines
        assert not lines or any(column in line for line in lines for column in columns), title
    assert {line["trace.id"] for line in found["One order or call"]} >= set(traces)
    assert {line["ordermesh.component"] for line in found["Components"]} >= {"orders", "kafka"}
    assert found["Failed requests"] == []
