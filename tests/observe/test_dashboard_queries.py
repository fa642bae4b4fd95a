"""Every panel of every dashboard shows something, on a real Prometheus that scrapes a platform under load."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from boards.every import files
from drawing import draw, panels_of
from front_proxy import ITEM, Platform
from monitoring import ask, monitoring, targets
from otlp_receiver import otlp_receiver
from seed import seeded_stack

from stack.running_stack import RunningStack

pytestmark = [pytest.mark.long, pytest.mark.timeout(450)]
ORDERS_PER_SECOND, LOAD_SECONDS = 40, 100
# What the JMX exporter shows, which this platform runs without; Prometheus only has to understand the queries.
EXPORTED = re.compile(r"\b(jvm|kafka_server|kafka_network)_")
# Grafana puts them in; its rate interval is four scrapes or more, and the services write their counts once a second.
VARIABLES = {"$__rate_interval": "15s"}
PICTURES = os.environ.get("GRAFANA_PICTURES")
BOARDS = {name: json.loads(text) for name, text in files().items()}


@dataclass(frozen=True)
class Scraped:
    """A Prometheus, and when the load ended that it saw, in seconds since 1970."""

    url: str
    ended_at: float


def filled(expression: str) -> str:
    """Return an expression as Grafana sends it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@contextlib.contextmanager
def loaded(stack: RunningStack) -> Iterator[subprocess.Popen[str]]:
    """Send orders at a fixed rate meanwhile."""
    options = ["--rate", str(ORDERS_PER_SECOND), "--duration", f"{LOAD_SECONDS}s", "--no-reconcile"]
    command = [sys.executable, "-P", "-m", "loadgen", "--target", stack.rest, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as load:
        yield load
        load.wait()


def use(platform: Platform) -> None:
    """Do what other clients do: read, change, ask for what is wrong."""
    order = platform.order("cust-dashboards")
    platform.curl(f"/orders/{order['orderId']}")
    platform.curl("/orders")
    platform.curl("/v1/analytics/sales-summary")
    platform.curl("/v1/pipeline/status")
    platform.post("/orders", {"customerId": "cust-dashboards", "items": [ITEM | {"quantity": -1}]})
    platform.curl("/orders/no-such-order")
    platform.post(f"/orders/{order['orderId']}:cancel", {})


def over_time(scraped: Scraped, query: str) -> list[dict[str, Any]]:
    """Return the series of a panel's query while the load ran, with a value for each second."""
    times = {"start": scraped.ended_at - LOAD_SECONDS, "end": scraped.ended_at, "step": 1}
    address = f"{scraped.url}/api/v1/query_range?{urlencode({'query': filled(query), **times})}"
    found: list[dict[str, Any]] = ask(address)["data"]["result"]
    return found


def has_data(scraped: Scraped, query: str) -> bool:
    """Return whether a query has data, or need not have any."""
    return bool(over_time(scraped, query)) or bool(EXPORTED.search(query))


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        otlp_receiver() as collector,
        seeded_stack(otlp_endpoint=collector.endpoint) as stack,
        monitoring(folder, targets(stack)) as made,
    ):
        platform = Platform(stack)
        with loaded(stack) as load:
            while load.poll() is None:
                use(platform)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    load.wait(0.5)
        yield Scraped(made.prometheus, time.time())


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_of_every_panel_returns_data(scraped: Scraped, name: str) -> None:
    queries = [(panel.title, query) for panel in panels_of(BOARDS[name]) for query, _ in panel.queries]
    assert [(title, query) for title, query in queries if not has_data(scraped, query)] == []


@pytest.mark.skipif(not PICTURES, reason="pictures are drawn by make grafana-pictures")
@pytest.mark.parametrize("name", BOARDS)
def test_pictures_are_drawn(scraped: Scraped, name: str) -> None:
    path = Path(str(PICTURES)) / f"grafana-{Path(name).stem}.png"
    draw(BOARDS[name], lambda query: over_time(scraped, query), path)
    assert path.stat().st_size
