"""The two databases, as the services that use them see them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import RATE, Query, Row, board, graph


def postgresql() -> Dashboard:
    """Return the dashboard."""
    return board(
        "postgresql",
        "PostgreSQL",
        "Connections, transactions, sizes and maintenance of the databases orders and analytics.",
        [connections(), transactions(), growth()],
    )


def of_database(metric: str, *further: str) -> str:
    """Return a metric that each replica of a service reads from the same database."""
    return f"max by ({', '.join(('database', *further))}) ({metric})"


def rate_of(counter: str, *further: str) -> str:
    """Return the rate of such a counter."""
    return of_database(f"rate({counter}{RATE})", *further)


def connections() -> Row:
    """Return connections and pools."""
    return Row(
        "Connections",
        [
            graph(
                "Connections by state",
                "none",
                [
                    Query(of_database("ordermesh_postgres_connections", "state"), "{{database}} {{state}}"),
                    Query(of_database("ordermesh_postgres_max_connections"), "{{database}} limit"),
                ],
                "Of all programs; unknown where the role of the service may not see the state.",
            ),
            graph(
                "Pools of the services",
                "none",
                [
                    Query("sum by (database, state) (ordermesh_postgres_pool_connections)", "{{database}} {{state}}"),
                    Query("sum by (database) (ordermesh_postgres_pool_waiting)", "{{database}} calls that wait"),
                ],
                "The pools of orders and analytics.",
            ),
            graph(
                "Oldest transaction",
                "s",
                [Query(of_database("ordermesh_postgres_oldest_transaction_age_seconds"), "{{database}}")],
                "Of the sessions that the role may see. A long transaction keeps dead rows.",
            ),
        ],
    )


def transactions() -> Row:
    """Return the work of the server."""
    blocks = "ordermesh_postgres_blocks_total"
    cached = rate_of(f'{blocks}{{source="cache"}}')
    read = rate_of(f'{blocks}{{source="disk"}}')
    return Row(
        "Work",
        [
            graph(
                "Transactions",
                "ops",
                [Query(rate_of("ordermesh_postgres_transactions_total", "outcome"), "{{database}} {{outcome}}")],
                "Commits and rollbacks.",
            ),
            graph(
                "Blocks found in the cache",
                "percentunit",
                [Query(f"{cached} / ({cached} + {read})", "{{database}}")],
                "Others were read from the disk, or from the cache of the system.",
            ),
            graph(
                "Deadlocks",
                "ops",
                [Query(rate_of("ordermesh_postgres_deadlocks_total"), "{{database}}")],
                "Resolved by the server, which ends one of the transactions.",
            ),
        ],
    )


def growth() -> Row:
    """Return sizes, retention and maintenance."""
    maintained = {
        "orders": "ordermesh_orders_maintenance_last_success_timestamp_seconds",
        "analytics": "ordermesh_analytics_maintenance_last_success_timestamp_seconds",
    }
    return Row(
        "Growth",
        [
            graph(
                "Databases",
                "bytes",
                [Query(of_database("ordermesh_postgres_database_bytes"), "{{database}}")],
                "Size on the disk.",
                stacked=True,
            ),
            graph(
                "Largest tables",
                "bytes",
                [Query(f"topk(8, {of_database('ordermesh_table_bytes', 'table')})", "{{database}} {{table}}")],
                "With indexes and partitions.",
            ),
            graph(
                "Oldest partition, share of the retention",
                "percentunit",
                [
                    Query(
                        f"(time() - {of_database('ordermesh_table_oldest_timestamp_seconds', 'table')})"
                        f" / {of_database('ordermesh_retention_seconds', 'table')}",
                        "{{database}} {{table}}",
                    )
                ],
                "Much above 100 %: partitions are not dropped. A partition is kept until all of it is old enough.",
            ),
            graph(
                "Time since the maintenance of tables",
                "s",
                [
                    Query(f"time() - max by (table) ({metric})", f"{database} {{{{table}}}}")
                    for database, metric in maintained.items()
                ],
                "It runs every minute.",
            ),
        ],
        most=2,
    )
