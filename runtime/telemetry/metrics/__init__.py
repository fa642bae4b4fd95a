"""Every metric of the project, with those in `servers`: a table, from which docs/reference/metrics.md is generated.

Names follow Prometheus' rules: the prefix `ordermesh_`, base units (`_seconds`), counters end in `_total`. Where
OpenTelemetry's semantic conventions have a name, it is used: `rpc.server.call.duration` with the attributes
`rpc.method` and `rpc.response.status_code`, and `error.type`. Labels have few values: no ids and no client names.
"""

from __future__ import annotations

from runtime.telemetry.metrics import servers as servers
from runtime.telemetry.metrics.component_metric import (
    Component,
    ComponentMetric,
    Specification,
    counter,
    gauge,
    histogram,
    read,
)

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

RPC_DURATION = histogram(
    "grpc",
    "ordermesh_rpc_server_call_duration_seconds",
    "seconds",
    "Duration of calls of public methods in the handler, by method and status code; without health checks, reflection "
    "and calls between services.",
    FAST_SECONDS,
    ["rpc_method", "rpc_response_status_code"],
)
REQUESTS_REFUSED = counter(
    "grpc",
    "ordermesh_requests_refused_total",
    "calls",
    "Calls refused before any work was done for them, by method and error reason: OVERLOADED, EXPIRED, or one of the "
    "credentials.",
    ["rpc_method", "reason"],
)

BUILD_INFO = gauge(
    "service", "ordermesh_build_info", "1", "The versions of ordermesh and Python.", ["version", "python"]
)
CHILD_RESTARTS = counter(
    "supervisor", "ordermesh_child_restarts_total", "processes", "Child processes started again after they had ended."
)
CHILD_CPU = read(
    "supervisor",
    "counter",
    "ordermesh_child_cpu_seconds_total",
    "seconds",
    "CPU time of the running child process, user and system, by its index.",
    ["child"],
)
CHILD_MEMORY = read(
    "supervisor",
    "gauge",
    "ordermesh_child_peak_memory_bytes",
    "bytes",
    "Largest resident memory that the running child process had, by its index.",
    ["child"],
)
EVENT_LOOP_DELAY = histogram(
    "event_loop",
    "ordermesh_event_loop_delay_seconds",
    "seconds",
    "How much later than planned the event loop ran a timer, measured ten times a second in each process.",
    FAST_SECONDS,
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
ADMISSION_CALLS = gauge(
    "orders",
    "ordermesh_admission_calls",
    "calls",
    "Writing calls in progress, sampled once a second; a batch counts as an eighth of its orders.",
    processes="livesum",
)
ADMISSION_LIMIT = gauge(
    "orders",
    "ordermesh_admission_limit_calls",
    "calls",
    "Writing calls that the processes admit at a time; others are refused.",
    processes="livesum",
)
ADMISSION_WAITING = gauge(
    "orders",
    "ordermesh_admission_waiting_calls",
    "calls",
    "Calls that wait for a connection, sampled once a second: reads, or changes of stored orders and products.",
    ["work"],
    processes="livesum",
)
OUTBOX_PENDING = read(
    "orders",
    "gauge",
    "ordermesh_outbox_pending_events",
    "events",
    "Unsent events of the outbox, counted up to 100,000.",
)
OUTBOX_OLDEST_AGE = read(
    "orders",
    "gauge",
    "ordermesh_outbox_oldest_unsent_age_seconds",
    "seconds",
    "Age of the oldest unsent event of the outbox, 0 without any; events behind a DEAD one of their order are unsent.",
)
OUTBOX_DEAD = read(
    "orders",
    "gauge",
    "ordermesh_outbox_dead_events",
    "events",
    "Events that Kafka rejected and that no operator retried or discarded, counted up to 100,000.",
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

EVENTS_COUNTED = counter(
    "processor", "ordermesh_events_counted_total", "events", "Events counted, by event type.", ["event_type"]
)
EVENTS_READ = counter(
    "processor",
    "ordermesh_events_read_total",
    "records",
    "Records of the log that were counted, ignored as duplicates, or rejected, by topic and partition.",
    ["topic", "partition"],
)
REVENUE = counter(
    "processor",
    "ordermesh_revenue_minor_total",
    "minor units",
    "Revenue of the events counted: gross, of accepted orders, and cancelled, of those that were cancelled later.",
    ["kind"],
)
EVENTS_DEDUPLICATED = counter(
    "processor", "ordermesh_events_deduplicated_total", "events", "Events ignored because they were already counted."
)
EVENT_DELAY = histogram(
    "processor",
    "ordermesh_event_delay_seconds",
    "seconds",
    "Time from the commit of an event to the commit of its counts.",
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

DEAD_LETTERS_UNRESOLVED = read(
    "analytics",
    "gauge",
    "ordermesh_dead_letters_unresolved",
    "events",
    "Dead letters of the processor that no operator redrove or discarded, by topic.",
    ["topic"],
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
        if metric.specification.component == component and isinstance(metric, ComponentMetric):
            metric.metric()


def catalogue() -> list[Specification]:
    """Return every metric in the order of the table, for docs/reference/metrics.md: component, kind, name, unit, ...

    A histogram is exposed as `name_bucket`, `name_sum` and `name_count`. Nothing is created.
    """
    return [metric.specification for metric in ComponentMetric.all]
