"""Kafka: the cluster and the log, as the gateway sees them; brokers and their JVMs, as the JMX exporter shows them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, number, rate


def kafka() -> Dashboard:
    """Return the dashboard."""
    return board(
        "kafka",
        "Kafka",
        "Brokers, replicas, and what is in the log. The last two rows need the JMX exporter.",
        [cluster(), log(), brokers(), jvm()],
    )


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


def brokers() -> Row:
    """Return the work of the brokers, by the names of deploy/observe/kafka-jmx.yml."""
    topics = "kafka_server_brokertopicmetrics"
    return Row(
        "Brokers (JMX exporter)",
        [
            graph(
                "Bytes",
                "Bps",
                [
                    Query(f"sum({rate(f'{topics}_bytesin_total')})", "in"),
                    Query(f"sum({rate(f'{topics}_bytesout_total')})", "out"),
                ],
                "Written by producers, and read by consumers.",
            ),
            graph(
                "Threads that handle requests, idle share",
                "percentunit",
                [Query("min(kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent)", "idle")],
                "Near 0 the broker is overloaded.",
            ),
            graph(
                "Time of requests, p99",
                "ms",
                [Query('max by (request) (kafka_network_requestmetrics_totaltimems{quantile="0.99"})', "{{request}}")],
                "In the broker; a consumer's fetch waits for records.",
            ),
        ],
    )


def jvm() -> Row:
    """Return the JVMs of the brokers."""
    return Row(
        "JVM (JMX exporter)",
        [
            graph(
                "Memory",
                "bytes",
                [Query("sum by (job, area) (jvm_memory_used_bytes)", "{{job}} {{area}}")],
                "Used memory of the heap and beside it.",
            ),
            graph(
                "Garbage collection",
                "percentunit",
                [Query(f"sum by (job, gc) ({rate('jvm_gc_collection_seconds_sum')})", "{{job}} {{gc}}")],
                "Share of the time that collections took.",
            ),
            graph(
                "Threads",
                "none",
                [Query("sum by (job) (jvm_threads_current)", "{{job}}")],
                "Of the JVM.",
            ),
        ],
    )
