"""The part of the table of metrics that is about PostgreSQL and Kafka, as far as the services can tell."""

from __future__ import annotations

from runtime.telemetry.metrics.component_metric import gauge, read

RETENTION = gauge(
    "maintenance",
    "ordermesh_retention_seconds",
    "seconds",
    "For how long a table keeps rows, by its settings.",
    ["database", "table"],
    processes="max",
)
TABLE_BYTES = read(
    "database",
    "gauge",
    "ordermesh_table_bytes",
    "bytes",
    "Size of a table with its indexes and partitions.",
    ["database", "table"],
)
TABLE_OLDEST = read(
    "database",
    "gauge",
    "ordermesh_table_oldest_timestamp_seconds",
    "seconds since 1970",
    "When the oldest partition of a table begins. A partition is dropped when all of it is older than the retention.",
    ["database", "table"],
)
POOL_CONNECTIONS = gauge(
    "database",
    "ordermesh_postgres_pool_connections",
    "connections",
    "Connections of the pools of a service to its database, in use or idle.",
    ["database", "state"],
    processes="livesum",
)
POOL_WAITING = gauge(
    "database",
    "ordermesh_postgres_pool_waiting",
    "calls",
    "Calls that wait for a connection of a pool.",
    ["database"],
    processes="livesum",
)
POSTGRES_CONNECTIONS = read(
    "database",
    "gauge",
    "ordermesh_postgres_connections",
    "connections",
    "Connections to the database by state; unknown where the role may not see it.",
    ["database", "state"],
)
POSTGRES_MAX_CONNECTIONS = read(
    "database",
    "gauge",
    "ordermesh_postgres_max_connections",
    "connections",
    "Connections that the server accepts, max_connections.",
    ["database"],
)
POSTGRES_OLDEST_TRANSACTION = read(
    "database",
    "gauge",
    "ordermesh_postgres_oldest_transaction_age_seconds",
    "seconds",
    "Age of the oldest transaction, of those that the role may see: its own, or with pg_read_all_stats all.",
    ["database"],
)
POSTGRES_TRANSACTIONS = read(
    "database",
    "counter",
    "ordermesh_postgres_transactions_total",
    "transactions",
    "Transactions of the database by outcome: commit or rollback.",
    ["database", "outcome"],
)
POSTGRES_DEADLOCKS = read(
    "database",
    "counter",
    "ordermesh_postgres_deadlocks_total",
    "deadlocks",
    "Deadlocks that the server resolved.",
    ["database"],
)
POSTGRES_BLOCKS = read(
    "database",
    "counter",
    "ordermesh_postgres_blocks_total",
    "blocks",
    "Blocks that the server found in its cache, or read from the disk or the cache of the system.",
    ["database", "source"],
)
POSTGRES_DATABASE_BYTES = read(
    "database", "gauge", "ordermesh_postgres_database_bytes", "bytes", "Size of the database.", ["database"]
)

KAFKA_BROKERS = read("gateway", "gauge", "ordermesh_kafka_brokers", "brokers", "Brokers that are in the cluster.")
KAFKA_UNDER_REPLICATED = read(
    "gateway",
    "gauge",
    "ordermesh_kafka_under_replicated_partitions",
    "partitions",
    "Partitions of the topics that the gateway may see, of which a replica is not in sync.",
)
KAFKA_OFFLINE = read(
    "gateway",
    "gauge",
    "ordermesh_kafka_offline_partitions",
    "partitions",
    "Partitions of the topics that the gateway may see, which have no leader.",
)
KAFKA_LOG_END = read(
    "gateway",
    "gauge",
    "ordermesh_kafka_log_end_offset",
    "offset",
    "The offset of the next record of a partition.",
    ["topic", "partition"],
)
CONSUMER_LAG = read(
    "gateway",
    "gauge",
    "ordermesh_consumer_lag_events",
    "events",
    "Records of a partition that the processor's group has not committed.",
    ["topic", "partition"],
)
