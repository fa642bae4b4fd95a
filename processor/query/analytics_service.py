"""AnalyticsService: serves the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, LiteralString

import grpc
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.analytics.v1.analytics_pb2 import (
    Freshness,
    GetSalesSummaryRequest,
    ListMetricsRequest,
    ListMetricsResponse,
    Metric,
    OrdersPerMinuteRequest,
    OrdersPerMinuteResponse,
    SalesSummary,
    StatusCount,
    TopProductsRequest,
    TopProductsResponse,
)
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.orders_pb2 import Order
from psycopg_pool import ConnectionPool

from processor.counting import deltas, progress
from processor.query import validation
from processor.query.freshness import LogSamples
from processor.query.revisions import Revised, RevisionWaits, checked, not_counted
from runtime.money import major
from runtime.postgres.connection_types import Connection
from runtime.postgres.queries import Queries
from runtime.status_names import STATUS_NAMES
from runtime.timestamps import MINUTE_FORMAT, from_datetime
from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.page_token import PageTokens

LIST_METRICS = "ordermesh.analytics.v1.AnalyticsService/ListMetrics"
SQL = Queries("processor.query", "analytics.sql")

Pool = ConnectionPool[Connection]
Row = tuple[Any, ...]


class AnalyticsService(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Reads the metrics; every response comes from one statement, hence from one snapshot."""

    def __init__(self, pool: Pool, tokens: OpaqueTokens, samples: LogSamples, waits: RevisionWaits) -> None:
        self._pool = pool
        self._page_tokens = PageTokens(tokens, LIST_METRICS)
        self._samples = samples
        self._waits = waits

    def ListMetrics(self, request: ListMetricsRequest, context: grpc.ServicerContext) -> ListMetricsResponse:
        """Return a page of metrics."""
        page = validation.metrics_page(request, self._page_tokens)
        parameters = {**page._asdict(), "limit": page.size + 1}
        rows, freshness = self._answer(request, context, SQL.list_metrics, parameters)
        response = ListMetricsResponse(metrics=[metric(row) for row in rows[: page.size]], freshness=freshness)
        if len(rows) > page.size:
            name, dimension = rows[page.size - 1][:2]
            key = name + validation.KEY_SEPARATOR + dimension
            response.next_page_token = self._page_tokens.encode(PageToken(key=key), request)
        return response

    def GetSalesSummary(self, request: GetSalesSummaryRequest, context: grpc.ServicerContext) -> SalesSummary:
        """Return the totals."""
        rows, freshness = self._answer(request, context, SQL.totals, {})
        found = summary(rows)
        found.freshness.CopyFrom(freshness)
        return found

    def TopProducts(self, request: TopProductsRequest, context: grpc.ServicerContext) -> TopProductsResponse:
        """Return the best-selling products."""
        limit = validation.products_limit(request)
        query = SQL.top_by_revenue if request.ranking == TopProductsRequest.REVENUE else SQL.top_by_units
        rows, freshness = self._answer(request, context, query, {"limit": limit})
        return TopProductsResponse(
            products=[
                TopProductsResponse.ProductSales(product_id=product_id, units=units, revenue=major(revenue_minor))
                for product_id, units, revenue_minor in rows
            ],
            freshness=freshness,
        )

    def OrdersPerMinute(
        self, request: OrdersPerMinuteRequest, context: grpc.ServicerContext
    ) -> OrdersPerMinuteResponse:
        """Return orders and revenue minute by minute."""
        first, limit = validation.minutes(request, datetime.now(UTC))
        parameters = {
            "first_minute": first.strftime(MINUTE_FORMAT),
            "limit_minute": limit.strftime(MINUTE_FORMAT),
        }
        rows, freshness = self._answer(request, context, SQL.orders_per_minute, parameters)
        return OrdersPerMinuteResponse(
            minutes=[
                OrdersPerMinuteResponse.Minute(
                    start_time=from_datetime(datetime.strptime(dimension, MINUTE_FORMAT)),
                    orders=orders,
                    revenue=major(revenue_minor),
                )
                for dimension, orders, revenue_minor in rows
            ],
            freshness=freshness,
        )

    def _answer(
        self, request: Revised, context: grpc.ServicerContext, query: LiteralString, parameters: Mapping[str, object]
    ) -> tuple[list[Row], Freshness]:
        """Wait for the revisions of a request; return rows, and how fresh they are. Raises FailedPrecondition."""
        left = self._waits.wait(request, checked(request), context)
        with self._pool.connection() as connection:
            # The positions first: the rows include at least what they say.
            positions = progress.positions(connection)
            rows = [] if left else connection.execute(query, parameters).fetchall()
        freshness = self._samples.freshness(positions, datetime.now(UTC))
        if left:
            raise not_counted(left, request, freshness)
        return rows, freshness


def metric(row: Row) -> Metric:
    """Return a metric from its row."""
    name, dimension, value, updated_at = row
    shown = major(value) if name in deltas.MONEY else float(value)
    return Metric(metric_name=name, dimension=dimension, value=shown, update_time=from_datetime(updated_at))


def summary(rows: list[Row]) -> SalesSummary:
    """Return the totals from the rows of the metrics."""
    values: dict[deltas.MetricKey, int] = {(name, dimension): value for name, dimension, value, _ in rows}
    orders, revenue, cancelled, restocks = (
        values.get((name, deltas.TOTAL), 0)
        for name in (deltas.ORDERS_TOTAL, deltas.REVENUE_TOTAL, deltas.CANCELLED_REVENUE, deltas.RESTOCK_REQUESTS)
    )
    statuses = {
        number: values[deltas.ORDERS_BY_STATUS, name]
        for number, name in STATUS_NAMES.items()
        if values.get((deltas.ORDERS_BY_STATUS, name))
    }
    return SalesSummary(
        orders_total=orders,
        revenue_total=major(revenue),
        cancelled_revenue=major(cancelled),
        net_revenue=major(revenue - cancelled),
        average_order_value=major((2 * revenue + orders) // (2 * orders)) if orders else 0,
        orders_by_status=[
            StatusCount(status=Order.Status.Name(number), orders=count) for number, count in statuses.items()
        ],
        restock_requests=restocks,
        update_time=from_datetime(max(row[3] for row in rows)) if rows else None,
    )
