"""The way of an order, stage by stage: rate, lag, age and latency of each."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, mean, number, percentile, percentiles, rate

CALLS = "ordermesh_rpc_server_call_duration_seconds"


def pipeline() -> Dashboard:
    """Return the dashboard."""
    return board(
        "pipeline",
        "pipeline",
        "Orders, outbox, Kafka, counting, dead letters and the reconciliation, in the order of an event.",
        [intake(), commits(), outbox(), log(), counting(), workers(), dead_letters(), reconciliation()],
    )


def intake() -> Row:
    """Return the calls that the services handle."""
    return Row(
        "Intake",
        [
            graph(
                "Orders",
                "ops",
                [
                    Query(f"sum by (status) ({rate('ordermesh_orders_accepted_total')})", "{{status}}"),
                    Query(f"sum({rate('ordermesh_requests_replayed_total')})", "replayed"),
                ],
                "Orders stored and acknowledged by first status, and answers repeated for an idempotency key.",
            ),
            graph(
                "Calls refused by services",
                "ops",
                [Query(f"sum by (reason) ({rate('ordermesh_requests_refused_total')})", "{{reason}}")],
                "Calls for which no work was done, by error reason.",
            ),
            graph(
                "Calls in progress and waiting",
                "none",
                [
                    Query("sum(ordermesh_admission_calls)", "writing"),
                    Query("sum(ordermesh_admission_limit_calls)", "limit of writing"),
                    Query("sum by (work) (ordermesh_admission_waiting_calls)", "{{work}} that wait"),
                ],
                "Sampled once a second in each process of orders.",
            ),
            graph(
                "Calls by method",
                "ops",
                [Query(f"sum by (rpc_method) ({rate(f'{CALLS}_count')})", "{{rpc_method}}")],
                "Calls that the services answered; the front proxy refuses others before.",
                stacked=True,
            ),
            graph(
                "Time in the handler, p99",
                "s",
                [Query(percentile(0.99, CALLS, "rpc_method"), "{{rpc_method}}")],
                "Without the way through the front proxy.",
            ),
            graph(
                "Open watches",
                "none",
                [Query("sum by (method) (ordermesh_watch_streams)", "{{method}}")],
                "Streams of WatchService.",
            ),
        ],
    )


def commits() -> Row:
    """Return the group commits."""
    return Row(
        "Group commit",
        [
            graph(
                "Orders in a commit",
                "none",
                [
                    Query(mean("ordermesh_group_commit_orders"), "mean"),
                    Query(percentile(0.99, "ordermesh_group_commit_orders"), "p99"),
                ],
                "Near 1 at a high rate: too many processes for the cores.",
            ),
            graph(
                "Duration of a commit",
                "s",
                percentiles("ordermesh_group_commit_duration_seconds"),
                "From the first statement to the answer of the database.",
            ),
        ],
        most=2,
    )


def outbox() -> Row:
    """Return the outbox and the publisher."""
    return Row(
        "Outbox",
        [
            graph(
                "Oldest unsent event",
                "s",
                [Query("max(ordermesh_outbox_oldest_unsent_age_seconds)", "age")],
                "Read from the database every five seconds, also when no publisher runs.",
            ),
            graph(
                "Unsent and dead events",
                "short",
                [
                    Query("max(ordermesh_outbox_pending_events)", "unsent"),
                    Query("max(ordermesh_outbox_dead_events)", "dead"),
                ],
                "Events that Kafka has not acknowledged, and that it rejected for good.",
            ),
            graph(
                "Published",
                "ops",
                [Query(f"sum by (topic) ({rate('ordermesh_events_published_total')})", "{{topic}}")],
                "Events acknowledged by Kafka and marked as sent.",
                stacked=True,
            ),
            graph(
                "Time from commit to acknowledgement",
                "s",
                percentiles("ordermesh_publish_delay_seconds"),
                "How long an event was in the outbox.",
            ),
            graph(
                "Failures of the publisher",
                "ops",
                [
                    Query(f"sum by (error_type) ({rate('ordermesh_publish_failures_total')})", "{{error_type}}"),
                    Query(f"sum({rate('ordermesh_events_rejected_total')})", "rejected events"),
                ],
                "Batches that are tried again, and events that Kafka rejected for good.",
            ),
        ],
    )


def log() -> Row:
    """Return the log between publisher and workers."""
    end = "max by (topic, partition) (ordermesh_kafka_log_end_offset)"
    return Row(
        "Kafka",
        [
            graph(
                "Records written",
                "ops",
                [
                    Query(
                        "sum by (topic) (max by (topic, partition) (deriv(ordermesh_kafka_log_end_offset[1m])))",
                        "{{topic}}",
                    )
                ],
                "By the ends of the partitions.",
            ),
            graph(
                "Records in all",
                "short",
                [Query(f"sum by (topic) ({end})", "{{topic}}")],
                "End offsets of the partitions.",
            ),
            graph(
                "Lag by partition",
                "short",
                [
                    Query(
                        "max by (topic, partition) (ordermesh_consumer_lag_events)",
                        "{{topic}}/{{partition}}",
                    )
                ],
                "End offset minus committed offset of the processor's group.",
            ),
        ],
    )


def counting() -> Row:
    """Return the counting of events."""
    return Row(
        "Counting",
        [
            graph(
                "Read by partition",
                "ops",
                [
                    Query(
                        f"sum by (topic, partition) ({rate('ordermesh_events_read_total')})",
                        "{{topic}}/{{partition}}",
                    )
                ],
                "Records counted, ignored as duplicates, or rejected.",
            ),
            graph(
                "Counted by type",
                "ops",
                [
                    Query(f"sum by (event_type) ({rate('ordermesh_events_counted_total')})", "{{event_type}}"),
                    Query(f"sum({rate('ordermesh_events_deduplicated_total')})", "duplicates"),
                ],
                "Events that changed the metrics, and those that were counted before.",
            ),
            graph(
                "Time from commit to count",
                "s",
                percentiles("ordermesh_event_delay_seconds"),
                "Of every event; 99 % must take less than a second.",
            ),
            graph(
                "Events in a transaction",
                "none",
                [
                    Query(mean("ordermesh_counting_batch_events"), "mean"),
                    Query(percentile(0.99, "ordermesh_counting_batch_events"), "p99"),
                ],
                "Large batches are cheap, and late.",
            ),
            graph(
                "Duration of a transaction",
                "s",
                percentiles("ordermesh_counting_batch_duration_seconds"),
                "From the first statement to the commit.",
            ),
            graph(
                "Conflicts",
                "ops",
                [Query(f"sum({rate('ordermesh_counting_conflicts_total')})", "rolled back")],
                "Transactions that were rolled back because of another worker, and tried again.",
            ),
        ],
    )


def workers() -> Row:
    """Return the workers and their partitions."""
    return Row(
        "Workers",
        [
            graph(
                "Partitions",
                "none",
                [
                    Query("sum(ordermesh_assigned_partitions)", "assigned"),
                    Query("sum(ordermesh_paused_partitions)", "paused"),
                ],
                "Those of both topics, assigned once each; paused ones have mostly bad records.",
            ),
            graph(
                "Crashes and restarts",
                "none",
                [
                    Query("sum(increase(ordermesh_worker_crashes_total[10m]))", "workers crashed"),
                    Query("sum by (job) (increase(ordermesh_child_restarts_total[10m]))", "{{job}} restarted"),
                ],
                "In the last ten minutes.",
            ),
        ],
        most=2,
    )


def dead_letters() -> Row:
    """Return the dead letters."""
    return Row(
        "Dead letters",
        [
            graph(
                "Rejected records by reason",
                "ops",
                [Query(f"sum by (reason) ({rate('ordermesh_dead_letters_total')})", "{{reason}}")],
                "Records of the log that could not be counted.",
            ),
            graph(
                "Unresolved",
                "short",
                [Query("max by (topic) (ordermesh_dead_letters_unresolved)", "{{topic}}")],
                "Dead letters that no operator redrove or discarded.",
            ),
            graph(
                "Kept in the database",
                "ops",
                [Query(f"sum({rate('ordermesh_dead_letters_rejected_total')})", "rejected by Kafka")],
                "Dead letters that Kafka rejected too.",
            ),
        ],
    )


def reconciliation() -> Row:
    """Return what the reconciliation of every minute says."""
    return Row(
        "Reconciliation",
        [
            number(
                "Age of the verdict",
                "s",
                Query("time() - max(ordermesh_reconciliation_last_verdict_timestamp_seconds)"),
                "A reconciliation begins every minute.",
                orange=120,
                red=180,
            ),
            number(
                "Exact until",
                "s",
                Query("time() - max(ordermesh_reconciliation_exact_until_timestamp_seconds)"),
                "How long ago the last minute was over of which orders and metrics agreed.",
                orange=180,
                red=600,
            ),
            number(
                "Duration",
                "s",
                Query("max(ordermesh_reconciliation_duration_seconds)"),
                "Of the reconciliation of the last verdict.",
                orange=10,
                red=30,
            ),
            graph(
                "Verdict",
                "none",
                [Query("max by (verdict) (ordermesh_reconciliation_verdict)", "{{verdict}}")],
                "1 for the verdict that holds.",
            ),
            graph(
                "Findings",
                "short",
                [Query("max by (kind) (ordermesh_reconciliation_findings)", "{{kind}}")],
                "What differed at the last verdict.",
            ),
        ],
    )
