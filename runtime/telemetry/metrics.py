"""Every metric of the project, by name, and the HTTP endpoint that serves them.

A metric is made in the processes of the part that has it, and in no other: a gauge of 0 from a process that cannot know
is a wrong answer. A service of one process serves its own registry. A service with child processes gives them a folder
(see supervise.py) and serves the sum.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any, TypeVar, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app, values
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# A child's place in its service. A file per place and not per process id: processes that end again and again would
# leave files behind until the disk is full, and their counts have to stay in the sum.
CHILD_PLACE = "PROMETHEUS_CHILD_PLACE"
ORDERS, PUBLISHER, PROCESSOR, GATEWAY = "orders", "publisher", "processor", "gateway"
Made = TypeVar("Made")

if place := os.environ.get(CHILD_PLACE):
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]  # the library has no types here


class Owned:
    """Stands for a metric that its first use makes, or `begin` for its part."""

    all: list[Owned] = []  # noqa: RUF012  # filled below, at import
    lock = threading.Lock()

    def __init__(self, part: str, make: Callable[[], Any]) -> None:
        self.part = part
        self._make = make
        self._made: Any = None
        self.all.append(self)

    def made(self) -> Any:
        """Return the metric."""
        with self.lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the metric; kept, so that it is looked up here once."""
        value = getattr(self.made(), name)
        setattr(self, name, value)
        return value


def owned(part: str, kind: Callable[..., Made], *arguments: Any, **options: Any) -> Made:
    """Return what stands for a metric of a part."""
    return cast(Made, Owned(part, lambda: kind(*arguments, **options)))


def begin(part: str) -> None:
    """Make the metrics of a part: this process is one of its processes."""
    for one in Owned.all:
        if one.part == part:
            one.made()


FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

RPC_SECONDS = Histogram(
    "ordermesh_rpc_seconds", "Time in a handler, by method and code.", ["method", "code"], buckets=FAST_SECONDS
)
ORDERS_ACCEPTED = owned(
    ORDERS, Counter, "ordermesh_orders_accepted", "Orders stored and acknowledged, by first status.", ["status"]
)
ORDERS_REPLAYED = owned(
    ORDERS, Counter, "ordermesh_orders_replayed", "Calls answered from an earlier one with the same request_id."
)
COMMIT_ORDERS = owned(ORDERS, Histogram, "ordermesh_commit_orders", "Orders in one group commit.", buckets=BATCH_SIZES)
COMMIT_SECONDS = owned(ORDERS, Histogram, "ordermesh_commit_seconds", "Time of one group commit.", buckets=FAST_SECONDS)
SHED = owned(ORDERS, Counter, "ordermesh_shed_orders", "Orders refused because too much work was in hand.")
SHED_READS = owned(ORDERS, Counter, "ordermesh_shed_reads", "Reads refused because too many waited.")
SHED_CHANGES = owned(ORDERS, Counter, "ordermesh_shed_changes", "Changes refused because too many waited.")
PUBLISHED = owned(
    PUBLISHER, Counter, "ordermesh_published_events", "Events acknowledged by Kafka and marked, by topic.", ["topic"]
)
PUBLISH_SECONDS = owned(
    PUBLISHER,
    Histogram,
    "ordermesh_publish_seconds",
    "From an event's commit to Kafka's acknowledgement.",
    buckets=SLOW_SECONDS,
)
PUBLISH_DEAD = owned(PUBLISHER, Counter, "ordermesh_dead_events", "Events that Kafka refused for good.")
PUBLISH_FAILURES = owned(
    PUBLISHER, Counter, "ordermesh_publish_failures", "Batches that could not be published, by kind.", ["kind"]
)
OUTBOX_PENDING = owned(
    PUBLISHER, Gauge, "ordermesh_outbox_pending_events", "Events that wait in the outbox (counted up to 100,000)."
)
COUNTED = owned(PROCESSOR, Counter, "ordermesh_counted_events", "Events counted, by type.", ["type"])
DUPLICATES = owned(PROCESSOR, Counter, "ordermesh_duplicate_events", "Events that had been counted before.")
PARKED = owned(
    PROCESSOR, Counter, "ordermesh_parked_events", "Events set aside as dead letters, by reason.", ["reason"]
)
LETTERS_REFUSED = owned(
    PROCESSOR,
    Counter,
    "ordermesh_refused_dead_letters",
    "Dead letters that Kafka refused; their events are kept in the database.",
)
COUNT_CONFLICTS = owned(
    PROCESSOR, Counter, "ordermesh_count_conflicts", "Counting transactions that lost against another one."
)
PAUSED_PARTITIONS = owned(
    PROCESSOR,
    Gauge,
    "ordermesh_paused_partitions",
    "Partitions that are read only now and then, since most of their records cannot be counted.",
    multiprocess_mode="livesum",
)
WORKER_CRASHES = owned(
    PROCESSOR, Counter, "ordermesh_worker_crashes", "Ends of the processor's workers that nobody asked for."
)
ASSIGNED_PARTITIONS = owned(
    PROCESSOR,
    Gauge,
    "ordermesh_assigned_partitions",
    "Partitions that the processor's workers hold.",
    multiprocess_mode="livesum",
)
COUNT_EVENTS = owned(
    PROCESSOR, Histogram, "ordermesh_count_batch_events", "Events in one counting transaction.", buckets=BATCH_SIZES
)
COUNT_SECONDS = owned(
    PROCESSOR, Histogram, "ordermesh_count_batch_seconds", "Time of one counting transaction.", buckets=FAST_SECONDS
)
EVENT_SECONDS = owned(
    PROCESSOR,
    Histogram,
    "ordermesh_event_seconds",
    "From an event's commit to its metrics, of up to 20 events of a batch.",
    buckets=SLOW_SECONDS,
)
ORDERS_MAINTAINED = owned(
    ORDERS,
    Gauge,
    "ordermesh_orders_maintained_timestamp_seconds",
    "When the partitions of a table of the orders database were last found as they should be, by table.",
    ["table"],
    multiprocess_mode="max",
)
ANALYTICS_MAINTAINED = owned(
    PROCESSOR,
    Gauge,
    "ordermesh_analytics_maintained_timestamp_seconds",
    "When the partitions of a table of the analytics database were last found as they should be, by table.",
    ["table"],
    multiprocess_mode="max",
)
COMPONENT_UP = owned(
    GATEWAY, Gauge, "ordermesh_component_up", "Whether a part is well: it answers, and its work goes on.", ["component"]
)

WATCHERS = owned(GATEWAY, Gauge, "ordermesh_watchers", "Open streams of WatchService, by method.", ["method"])


class QuietHandler(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Do nothing."""


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Answers each request on a thread of its own: a slow scrape must not hold up a look at the health."""

    daemon_threads = True


def serve(address: str, health: Callable[[], bytes] | None = None) -> WSGIServer:
    """Serve /metrics, and /health where there is one, on host:port. Raises OSError when the port is taken."""
    host, _, port = address.rpartition(":")
    folder = os.environ.get(MULTIPROCESS_FOLDER)
    registry = REGISTRY
    if folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library has no types here
    scraped = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if health is None or environ.get("PATH_INFO") != "/health":
            return scraped(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [health()]

    server = make_server(host, int(port), answer, ThreadingServer, QuietHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
