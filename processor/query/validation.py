"""Validates the requests of AnalyticsService and reports all violations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.analytics.v1.analytics_pb2 import ListMetricsRequest, OrdersPerMinuteRequest, TopProductsRequest
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from processor.counting.deltas import NAMES
from runtime import timestamps
from runtime.errors import InvalidRequest, Violation
from runtime.grpc import field_rules
from runtime.tokens.page_token import PageTokens

PAGE_SIZE = field_rules.number(ListMetricsRequest, "page_size")
PRODUCTS_LIMIT = field_rules.number(TopProductsRequest, "limit")
SPAN = field_rules.rules(OrdersPerMinuteRequest, "end_time").time.span
MAX_MINUTES, DEFAULT_MINUTES = SPAN.max_minutes, SPAN.default_minutes
MINUTE = timedelta(minutes=1)
LAST_MINUTE = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
# Separates the name of a metric, which never contains it, from its dimension.
KEY_SEPARATOR = "/"


class MetricsPage(NamedTuple):
    """Which metrics to list: after which (metric_name, dimension), and how many."""

    metric_name: str
    after_name: str
    after_dimension: str
    size: int


class Minutes(NamedTuple):
    """The first minute and the end, which is not included; both whole minutes."""

    first: datetime
    limit: datetime


def metrics_page(request: ListMetricsRequest, tokens: PageTokens) -> MetricsPage:
    """Return the requested page. Raises InvalidRequest."""
    violations: list[Violation] = []
    if request.metric_name and request.metric_name not in NAMES:
        violations.append(Violation("metric_name", f"must be one of {', '.join(sorted(NAMES))}, or absent"))
    size = PAGE_SIZE.checked(request.page_size, violations)
    reason = ErrorReason.INVALID_FIELD
    after_name = after_dimension = ""
    if request.page_token:
        try:
            token = tokens.decode(request.page_token, request)
            after_name, _, after_dimension = token.key.partition(KEY_SEPARATOR)
        except InvalidRequest as error:
            reason = reason if violations else error.reason
            violations.extend(error.violations)
    refuse(violations, reason)
    return MetricsPage(request.metric_name, after_name, after_dimension, size)


def products_limit(request: TopProductsRequest) -> int:
    """Return the requested number of products. Raises InvalidRequest."""
    violations: list[Violation] = []
    limit = PRODUCTS_LIMIT.checked(request.limit, violations)
    if request.ranking not in TopProductsRequest.Ranking.values():
        violations.append(Violation("ranking", f"must be UNITS or REVENUE, is {request.ranking}"))
    refuse(violations)
    return limit


def minutes(request: OrdersPerMinuteRequest, now: datetime) -> Minutes:
    """Return the requested minutes. Raises InvalidRequest."""
    violations: list[Violation] = []
    limit = moment(request.end_time, "end_time", violations) if request.HasField("end_time") else now
    first = moment(request.start_time, "start_time", violations) if request.HasField("start_time") else None
    refuse(violations)
    # Events of the last valid minute are left out: its end is not a valid time.
    limit = whole_minute(min(limit, LAST_MINUTE) - timedelta(microseconds=1)) + MINUTE
    first = limit - DEFAULT_MINUTES * MINUTE if first is None else whole_minute(first)
    if first >= limit:
        violations.append(Violation("start_time", "must be before end_time"))
    elif limit - first > MAX_MINUTES * MINUTE:
        violations.append(Violation("end_time", f"must be at most {MAX_MINUTES} minutes after start_time"))
    refuse(violations)
    return Minutes(first, limit)


def whole_minute_seconds(minute: Timestamp, field: str) -> int:
    """Return the requested minute of a ledger. Raises InvalidRequest unless it is a whole minute.

    It may be outside the accepted range of times: what was counted stays in the ledger.
    """
    if minute.seconds <= 0 or minute.seconds % 60 or minute.nanos:
        raise InvalidRequest([Violation(field, "must be the beginning of a minute")])
    return minute.seconds


def moment(timestamp: Timestamp, field: str, violations: list[Violation]) -> datetime:
    """Return the time; add a violation if it is invalid."""
    if not timestamps.is_timestamp(timestamp):
        violations.append(Violation(field, timestamps.RULE))
        return timestamps.EPOCH
    return timestamps.to_datetime(timestamp)


def whole_minute(time: datetime) -> datetime:
    """Return the beginning of the time's minute."""
    return time.replace(second=0, microsecond=0)


def refuse(violations: Sequence[Violation], reason: ErrorReason = ErrorReason.INVALID_FIELD) -> None:
    """Raise InvalidRequest when there are violations."""
    if violations:
        raise InvalidRequest(violations, reason)
