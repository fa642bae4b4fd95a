"""Kafka: the cluster and the log, as the gateway sees them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, number


def kafka() -> Dashboard:
    """Return the dashboard."""
    return board("kafka", "Kafka", "Brokers, replicas, and what is in the log.", [cluster(), log()])


def cluster() -> Row:
    """Return the state of the cluster."""
    return Row(
        "Cluster",
        [
            number(
                "Brokers",
                "none",
                Query("max(ordermesh_kafka_brokers)"),
                "Brokers that are in the cluster.",
                orange=1,
                red=0.5,
            ),
            number(
                "Under-replicated partitions",
                "none",
                Query("max(ordermesh_kafka_under_replicated_partitions)"),
                "Partitions of which a replica is not in sync.",
                orange=1,
                red=100,
            ),
            number(
                "Offline partitions",
                "none",
                Query("max(ordermesh_kafka_offline_partitions)"),
                "Partitions without a leader: nothing can be written to them or read from them.",
                orange=1,
                red=1,
            ),
        ],
    )


def log() -> Row:
    """Return the partitions."""
    return Row(
        "Log",
        [
            graph(
                "Written by partition",
                "ops",
                [
                    Query(
                        "max by (topic, partition) (deriv(ordermesh_kafka_log_end_offset[1m]))",
                        "{{topic}}/{{partition}}",
                    )
                ],
                "Records a second by the end offsets.",
                stacked=True,
            ),
            graph(
                "End offsets",
                "short",
                [Query("sum by (topic) (max by (topic, partition) (ordermesh_kafka_log_end_offset))", "{{topic}}")],
                "Records ever written, by topic.",
            ),
            graph(
                "Consumer lag",
                "short",
                [Query("sum by (topic) (max by (topic, partition) (ordermesh_consumer_lag_events))", "{{topic}}")],
                "Records that the processor's group has not committed.",
            ),
        ],
    )
