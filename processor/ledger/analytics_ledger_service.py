"""AnalyticsLedgerService: counted events and dead letters, for the reconciliation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import (
    AuditMetricsRequest,
    AuditMetricsResponse,
    GetAnalyticsProgressRequest,
    GetAnalyticsProgressResponse,
    PartitionPosition,
    PausedPartition,
    ProductSum,
    StreamAnalyticsAuditRequest,
    StreamAnalyticsAuditResponse,
    StreamAnalyticsLedgerRequest,
    StreamAnalyticsLedgerResponse,
    StreamCountedIdsRequest,
    StreamCountedIdsResponse,
    StreamCountedStatesRequest,
    StreamCountedStatesResponse,
    StreamProductMetricsRequest,
    StreamProductMetricsResponse,
)

from processor.ledger import ledger_audit
from processor.query import validation
from processor.query.analytics_service import Pool, Row
from runtime import ledger_messages
from runtime.batched import batched
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries
from runtime.timestamps import from_datetime

SQL = Queries("processor.ledger", "ledger.sql")
PRODUCTS_PER_MESSAGE = 1_000
IDS_PER_MESSAGE = 10_000


class AnalyticsLedgerService(ledger_pb2_grpc.AnalyticsLedgerServiceServicer):
    """Reads the ledger; a stream is read from one snapshot before it starts, so that no client keeps it open."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def GetAnalyticsProgress(
        self, request: GetAnalyticsProgressRequest, context: grpc.ServicerContext
    ) -> GetAnalyticsProgressResponse:
        """Return the progress of counting."""
        with self._snapshot() as connection:
            counted, dead_letters, p50_ms, p99_ms = rows(connection, SQL.progress)[0]
            heartbeat_at, workers, silent = rows(connection, SQL.workers)[0]
            positions = rows(connection, SQL.positions)
            crashes = rows(connection, SQL.recent_crashes)[0][0]
            paused = rows(connection, SQL.paused_partitions)
        return GetAnalyticsProgressResponse(
            counted_total=counted,
            dead_letters_total=dead_letters,
            latency_p50_ms=p50_ms,
            latency_p99_ms=p99_ms,
            worker_heartbeat_time=from_datetime(heartbeat_at),
            workers=workers,
            worker_crashes=crashes,
            paused_partitions=[
                PausedPartition(topic=topic, partition=number, pause_time=from_datetime(at), records=records, bad=bad)
                for topic, number, at, records, bad in paused
            ],
            silent_workers=silent,
            positions=[
                PartitionPosition(topic=topic, partition=number, next_offset=at, topic_id=topic_id.bytes)
                for topic, number, at, topic_id in positions
            ],
        )

    def StreamAnalyticsLedger(
        self, request: StreamAnalyticsLedgerRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamAnalyticsLedgerResponse]:
        """Stream the dead letters, then sums of the counted events and of their orders by period."""
        parameters = ledger_messages.period_parameters(request)
        with self._snapshot() as connection:
            dead_letters, discarded = rows(connection, SQL.count_dead_letters)[0]
            orders = rows(connection, SQL.dead_letter_orders)
            coverage_start, ids_start = rows(connection, SQL.coverage)[0]
            event_rows = connection.execute(SQL.event_sums, parameters).fetchall()
            order_rows = connection.execute(SQL.order_sums, parameters).fetchall()
        yield StreamAnalyticsLedgerResponse(
            dead_letters=dead_letters,
            discarded=discarded,
            dead_letter_order_ids=b"".join(order_id.bytes for (order_id,) in orders),
            coverage_start_time=ledger_messages.as_time(coverage_start),
            ids_start_time=ledger_messages.as_time(ids_start),
        )
        for events in batched(ledger_messages.event_sums(event_rows), ledger_messages.SUMS_PER_MESSAGE):
            yield StreamAnalyticsLedgerResponse(events=events)
        for sums in batched(ledger_messages.order_sums(order_rows), ledger_messages.SUMS_PER_MESSAGE):
            yield StreamAnalyticsLedgerResponse(orders=sums)

    def StreamCountedStates(
        self, request: StreamCountedStatesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamCountedStatesResponse]:
        """Stream the orders that were accepted in a minute, as the counted events tell them."""
        parameters = ledger_messages.minute_ids(request.minute_start_time)
        with self._snapshot() as connection:
            found = connection.execute(SQL.order_states, parameters).fetchall()
        for part in batched(ledger_messages.order_states(found), ledger_messages.STATES_PER_MESSAGE):
            yield StreamCountedStatesResponse(orders=part)

    def StreamCountedIds(
        self, request: StreamCountedIdsRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamCountedIdsResponse]:
        """Stream the ids of the events counted in a minute, and of all dead letters."""
        minute = validation.whole_minute_seconds(request.minute_start_time, "minute_start_time")
        with self._snapshot() as connection:
            counted = [row[0] for row in connection.execute(SQL.counted_ids, {"minute": minute})]
            dead_letters = [row[0] for row in rows(connection, SQL.dead_letter_ids)]
        for part in batched(counted, IDS_PER_MESSAGE):
            yield StreamCountedIdsResponse(event_ids=b"".join(part))
        for part in batched(dead_letters, IDS_PER_MESSAGE):
            yield StreamCountedIdsResponse(dead_letter_ids=b"".join(part))

    def StreamAnalyticsAudit(
        self, request: StreamAnalyticsAuditRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamAnalyticsAuditResponse]:
        """Recompute the ledgers from the counted events, and stream what differs."""
        with self._snapshot() as connection:
            since = max(rows(connection, SQL.coverage)[0])
        for day in ledger_audit.audited_days(self._snapshot, since):
            yield StreamAnalyticsAuditResponse(day=day)

    def AuditMetrics(self, request: AuditMetricsRequest, context: grpc.ServicerContext) -> AuditMetricsResponse:
        """Compute the metrics from the ledgers and return those that differ."""
        with self._snapshot() as connection:
            differences = rows(connection, SQL.metric_differences)
            if request.all_days:
                differences = sorted({*differences, *rows(connection, ledger_audit.SQL.minute_differences)})
        return AuditMetricsResponse(
            differences=[
                AuditMetricsResponse.Difference(metric_name=name, dimension=dimension, expected=expected, actual=actual)
                for name, dimension, expected, actual in differences
            ]
        )

    def StreamProductMetrics(
        self, request: StreamProductMetricsRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamProductMetricsResponse]:
        """Stream units and revenue by product."""
        with self._snapshot() as connection:
            products = rows(connection, SQL.product_metrics)
        sums = (
            ProductSum(product_id=product_id, units=units, revenue_minor=revenue_minor)
            for product_id, units, revenue_minor in products
        )
        for part in batched(sums, PRODUCTS_PER_MESSAGE):
            yield StreamProductMetricsResponse(products=part)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Open a transaction whose statements all read from one snapshot."""
        # As a statement: what is set on the connection would hold for its next user too.
        with self._pool.connection() as connection, connection.transaction():
            connection.execute(SQL.begin_snapshot)
            connection.execute(SQL.extend_statement_timeout)
            yield connection


def rows(connection: Connection, query: Any) -> list[Row]:
    """Return all rows of a query without parameters."""
    return connection.execute(query).fetchall()
