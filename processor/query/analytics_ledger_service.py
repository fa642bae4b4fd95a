"""AnalyticsLedgerService: counted events and dead letters, for the reconciliation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import (
    AuditMetricsRequest,
    AuditMetricsResponse,
    GetAnalyticsProgressRequest,
    GetAnalyticsProgressResponse,
    MinuteSum,
    PartitionPosition,
    PausedPartition,
    ProductSum,
    StreamAnalyticsLedgerRequest,
    StreamAnalyticsLedgerResponse,
    StreamCountedIdsRequest,
    StreamCountedIdsResponse,
    StreamProductMetricsRequest,
    StreamProductMetricsResponse,
    TypeCount,
)
from psycopg import IsolationLevel

from processor.query import validation
from processor.query.analytics_service import Pool, Row, timestamp
from runtime.batched import batched
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries

SQL = Queries("processor.query", "ledger.sql")
MINUTES_PER_MESSAGE = 500
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
            worker_heartbeat_time=None if heartbeat_at is None else timestamp(heartbeat_at),
            workers=workers,
            worker_crashes=crashes,
            paused_partitions=[
                PausedPartition(topic=topic, partition=number, pause_time=timestamp(at), records=records, bad=bad)
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
        """Stream the number of dead letters, then the counted events by minute."""
        with self._snapshot() as connection:
            dead_letters = rows(connection, SQL.count_dead_letters)[0][0]
            since = rows(connection, SQL.complete_since)[0][0]
            sums = rows(connection, SQL.minute_sums)
        start = None if since is None else timestamp(since)
        yield StreamAnalyticsLedgerResponse(dead_letters=dead_letters, coverage_start_time=start)
        minutes = (minute_sum(list(types)) for _, types in groupby(sums, key=itemgetter(0)))
        for part in batched(minutes, MINUTES_PER_MESSAGE):
            yield StreamAnalyticsLedgerResponse(minutes=part)

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

    def AuditMetrics(self, request: AuditMetricsRequest, context: grpc.ServicerContext) -> AuditMetricsResponse:
        """Recompute the metrics and return those that differ."""
        with self._snapshot() as connection:
            differences = rows(connection, SQL.metric_differences)
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
        with self._pool.connection() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                connection.execute(SQL.extend_statement_timeout)
                yield connection


def rows(connection: Connection, query: Any) -> list[Row]:
    """Return all rows of a query without parameters."""
    return connection.execute(query).fetchall()


def minute_sum(types: Sequence[Row]) -> MinuteSum:
    """Return the sums of a minute from its rows, one per event type."""
    digest = revenue_minor = units = 0
    for _, type_, _, type_revenue_minor, type_units, type_digest in types:
        digest ^= type_digest
        if type_ == ORDER_CREATED:
            revenue_minor, units = type_revenue_minor, type_units
    return MinuteSum(
        start_time=Timestamp(seconds=types[0][0]),
        types=[TypeCount(type=row[1], events=row[2]) for row in types],
        revenue_minor=revenue_minor,
        units=units,
        digest=digest,
    )
