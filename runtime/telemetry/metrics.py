"""Every metric of the project: one table, from which a reference page can be generated (`catalogue`).

Names follow Prometheus' rules: the prefix `ordermesh_`, base units (`_seconds`), counters end in `_total`. Where
OpenTelemetry's semantic conventions have a name, it is used: `rpc.server.call.duration` with the attributes
`rpc.method` and `rpc.response.status_code`, and `error.type`. Labels have few values: no ids and no client names.
"""

from __future__ import annotations

from runtime.telemetry.component_metric import Component, ComponentMetric, Specification, counter, gauge, histogram

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

RPC_DURATION = histogram(
    "grpc",
    "ordermesh_rpc_server_call_duration_seconds",
    "seconds",
    "Duration of gRPC calls in the handler, by method and status code.",
    FAST_SECONDS,
    ["rpc_method", "rpc_response_status_code"],
)

SPANS_EXPORTED = counter(
    "tracing", "ordermesh_spans_exported_total", "spans", "Spans that the collector of traces accepted."
)
SPANS_DROPPED = counter(
    "tracing",
    "ordermesh_spans_dropped_total",
    "spans",
    "Spans that were not sent, by reason: queue_full, not_accepted or shutdown.",
    ["reason"],
)

ORDERS_ACCEPTED = counter(
    "orders",
    "ordermesh_orders_accepted_total",
    "orders",
    "Orders stored and acknowledged, by first status.",
    ["status"],
)
REQUESTS_REPLAYED = counter(
    "orders",
    "ordermesh_requests_replayed_total",
    "requests",
    "Creations answered from an earlier one with the same request_id.",
)
GROUP_COMMIT_ORDERS = histogram(
    "orders", "ordermesh_group_commit_orders", "orders", "Orders in one group commit.", BATCH_SIZES
)
GROUP_COMMIT_DURATION = histogram(
    "orders", "ordermesh_group_commit_duration_seconds", "seconds", "Duration of one group commit.", FAST_SECONDS
)
ORDERS_REFUSED = counter(
    "orders", "ordermesh_orders_refused_total", "orders", "Orders refused by admission because of overload."
)
READS_REFUSED = counter(
    "orders", "ordermesh_reads_refused_total", "calls", "Reads refused because too many were waiting."
)
CHANGES_REFUSED = counter(
    "orders", "ordermesh_changes_refused_total", "calls", "Changes refused because too many were waiting."
)
ORDERS_MAINTENANCE = gauge(
    "orders",
    "ordermesh_orders_maintenance_last_success_timestamp_seconds",
    "seconds since 1970",
    "When partition maintenance of the orders database last succeeded, by table.",
    ["table"],
    processes="max",
)

EVENTS_PUBLISHED = counter(
    "publisher",
    "ordermesh_events_published_total",
    "events",
    "Outbox events acknowledged by Kafka and marked as sent, by topic.",
    ["topic"],
)
EVENTS_REJECTED = counter(
    "publisher", "ordermesh_events_rejected_total", "events", "Outbox events that Kafka rejected permanently."
)
PUBLISH_DELAY = histogram(
    "publisher",
    "ordermesh_publish_delay_seconds",
    "seconds",
    "Time from the commit of an event to Kafka's acknowledgement.",
    SLOW_SECONDS,
)
PUBLISH_FAILURES = counter(
    "publisher",
    "ordermesh_publish_failures_total",
    "batches",
    "Batches that could not be published, by error type: batch, kafka or postgres.",
    ["error_type"],
)
OUTBOX_PENDING = gauge(
    "publisher",
    "ordermesh_outbox_pending_events",
    "events",
    "Events waiting in the outbox, counted up to 100,000.",
)

EVENTS_COUNTED = counter(
    "processor", "ordermesh_events_counted_total", "events", "Events counted, by event type.", ["event_type"]
)
EVENTS_DEDUPLICATED = counter(
    "processor", "ordermesh_events_deduplicated_total", "events", "Events ignored because they were already counted."
)
EVENT_DELAY = histogram(
    "processor",
    "ordermesh_event_delay_seconds",
    "seconds",
    "Time from the commit of an event to the commit of its counts, sampled from up to 20 events of a batch.",
    SLOW_SECONDS,
)
DEAD_LETTERS = counter(
    "processor", "ordermesh_dead_letters_total", "events", "Events written as dead letters, by reason.", ["reason"]
)
DEAD_LETTERS_REJECTED = counter(
    "processor",
    "ordermesh_dead_letters_rejected_total",
    "events",
    "Dead letters that Kafka rejected; their events are kept in the database.",
)
COUNTING_BATCH_EVENTS = histogram(
    "processor", "ordermesh_counting_batch_events", "events", "Events in one counting transaction.", BATCH_SIZES
)
COUNTING_BATCH_DURATION = histogram(
    "processor",
    "ordermesh_counting_batch_duration_seconds",
    "seconds",
    "Duration of one counting transaction.",
    FAST_SECONDS,
)
COUNTING_CONFLICTS = counter(
    "processor",
    "ordermesh_counting_conflicts_total",
    "transactions",
    "Counting transactions that were rolled back because of a conflict with another one.",
)
ASSIGNED_PARTITIONS = gauge(
    "processor",
    "ordermesh_assigned_partitions",
    "partitions",
    "Partitions that the workers are assigned.",
    processes="livesum",
)
PAUSED_PARTITIONS = gauge(
    "processor",
    "ordermesh_paused_partitions",
    "partitions",
    "Partitions that are read at intervals only, because most of their records are dead letters.",
    processes="livesum",
)
WORKER_CRASHES = counter(
    "processor", "ordermesh_worker_crashes_total", "processes", "Workers that ended without being stopped."
)
ANALYTICS_MAINTENANCE = gauge(
    "processor",
    "ordermesh_analytics_maintenance_last_success_timestamp_seconds",
    "seconds since 1970",
    "When partition maintenance of the analytics database last succeeded, by table.",
    ["table"],
    processes="max",
)

COMPONENT_UP = gauge(
    "gateway",
    "ordermesh_component_up",
    "0 or 1",
    "Whether a component answers and makes progress, by component.",
    ["component"],
)
RECONCILIATION_VERDICT = gauge(
    "gateway",
    "ordermesh_reconciliation_verdict",
    "0 or 1",
    "Which verdict the reconciliation of every minute has: agrees, in_flight, differs, or unknown if it is older than "
    "three minutes.",
    ["verdict"],
)
RECONCILIATION_TIME = gauge(
    "gateway",
    "ordermesh_reconciliation_last_verdict_timestamp_seconds",
    "seconds since 1970",
    "When the reconciliation began that came to the last verdict; its age is the difference to now.",
)
RECONCILIATION_EXACT_UNTIL = gauge(
    "gateway",
    "ordermesh_reconciliation_exact_until_timestamp_seconds",
    "seconds since 1970",
    "Up to which event time orders and metrics agreed at the last verdict that was AGREES.",
)
RECONCILIATION_FINDINGS = gauge(
    "gateway",
    "ordermesh_reconciliation_findings",
    "events, orders, metrics or minutes",
    "What differed at the last verdict, by kind of finding.",
    ["kind"],
)
RECONCILIATION_DURATION = gauge(
    "gateway",
    "ordermesh_reconciliation_duration_seconds",
    "seconds",
    "How long the reconciliation of the last verdict took.",
)
WATCH_STREAMS = gauge(
    "gateway", "ordermesh_watch_streams", "streams", "Open streams of WatchService, by method.", ["method"]
)


def create(component: Component) -> None:
    """Create the metrics of a component, to which the calling process belongs."""
    for metric in ComponentMetric.all:
        if metric.specification.component == component:
            metric.metric()


def catalogue() -> list[Specification]:
    """Return every metric in the order of the table, for docs/reference/metrics.md: component, kind, name, unit, ...

    A histogram is exposed as `name_bucket`, `name_sum` and `name_count`. Nothing is created.
    """
    return [metric.specification for metric in ComponentMetric.all]
