"""Every metric of the project, by name, and the HTTP endpoint that serves them.

A service of one process serves its own registry. A service with child processes gives them
a folder (see supervise.py) and serves the sum.
"""

from __future__ import annotations

import os
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

RPC_SECONDS = Histogram(
    "ordermesh_rpc_seconds", "Time in a handler, by method and code.", ["method", "code"], buckets=FAST_SECONDS
)
ORDERS_ACCEPTED = Counter("ordermesh_orders_accepted", "Orders stored and acknowledged, by first status.", ["status"])
ORDERS_REPLAYED = Counter("ordermesh_orders_replayed", "Calls answered from an earlier one with the same request_id.")
COMMIT_ORDERS = Histogram("ordermesh_commit_orders", "Orders in one group commit.", buckets=BATCH_SIZES)
COMMIT_SECONDS = Histogram("ordermesh_commit_seconds", "Time of one group commit.", buckets=FAST_SECONDS)
SHED = Counter("ordermesh_shed_orders", "Orders refused because too much work was in hand.")
PUBLISHED = Counter("ordermesh_published_events", "Events acknowledged by Kafka and marked, by topic.", ["topic"])
PUBLISH_SECONDS = Histogram(
    "ordermesh_publish_seconds", "From an event's commit to Kafka's acknowledgement.", buckets=SLOW_SECONDS
)
PUBLISH_DEAD = Counter("ordermesh_dead_events", "Events that Kafka refused for good.")
PUBLISH_FAILURES = Counter("ordermesh_publish_failures", "Batches that could not be published, by kind.", ["kind"])
OUTBOX_PENDING = Gauge("ordermesh_outbox_pending_events", "Events that wait in the outbox (counted up to 100,000).")
COUNTED = Counter("ordermesh_counted_events", "Events counted, by type.", ["type"])
DUPLICATES = Counter("ordermesh_duplicate_events", "Events that had been counted before.")
PARKED = Counter("ordermesh_parked_events", "Events set aside as dead letters, by reason.", ["reason"])
COUNT_CONFLICTS = Counter("ordermesh_count_conflicts", "Counting transactions that lost against another one.")
ASSIGNED_PARTITIONS = Gauge(
    "ordermesh_assigned_partitions", "Partitions that the processor's workers hold.", multiprocess_mode="livesum"
)
COUNT_EVENTS = Histogram("ordermesh_count_batch_events", "Events in one counting transaction.", buckets=BATCH_SIZES)
COUNT_SECONDS = Histogram("ordermesh_count_batch_seconds", "Time of one counting transaction.", buckets=FAST_SECONDS)
EVENT_SECONDS = Histogram(
    "ordermesh_event_seconds",
    "From an event's commit to its metrics, of up to 20 events of a batch.",
    buckets=SLOW_SECONDS,
)
COMPONENT_UP = Gauge("ordermesh_component_up", "Whether a part answers the gateway.", ["component"])

WATCHERS = Gauge("ordermesh_watchers", "Open streams of WatchService, by method.", ["method"])


def serve(address: str) -> WSGIServer:
    """Serve /metrics on host:port. Raises OSError when the port is taken."""
    host, _, port = address.rpartition(":")
    folder = os.environ.get(MULTIPROCESS_FOLDER)
    registry = REGISTRY
    if folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library has no types here
    server, _thread = start_http_server(int(port), host, registry)
    return server
