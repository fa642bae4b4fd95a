"""AnalyticsService and its ledger, asked over a real threaded server (pytest-grpc) on a real database."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest
from counted_batches import batch_of, count
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from metrics_oracle import sums
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.analytics.v1.analytics_pb2 import (
    GetSalesSummaryRequest,
    ListMetricsRequest,
    OrdersPerMinuteRequest,
    TopProductsRequest,
)
from ordermesh.events.v1.events_pb2 import EventType, OrderEvent
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import (
    AuditMetricsRequest,
    GetAnalyticsProgressRequest,
    LedgerPeriod,
    StreamAnalyticsLedgerRequest,
    StreamCountedIdsRequest,
    StreamProductMetricsRequest,
)
from processor_servers import Analytics
from processor_world import created, history, new_id
from signed_tokens import tokens

from processor.counting import deltas, progress, transaction
from processor.ledger.analytics_ledger_service import AnalyticsLedgerService
from processor.query.analytics_service import AnalyticsService, Pool
from processor.query.freshness import LogSamples
from processor.query.revisions import RevisionWaits
from runtime.grpc.server import SyncErrors
from runtime.postgres.connections import sync_pool

EVENTS = history(40)
EXPECTED = sums(EVENTS)
BY_MINUTE = StreamAnalyticsLedgerRequest(period=LedgerPeriod.MINUTE)
FIRST_MINUTE = datetime(2026, 3, 11, 22, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def pool(analytics_server: Analytics) -> Iterator[Pool]:
    analytics_server.clear()
    with progress.connect(analytics_server.worker) as connection:
        count(connection, batch_of(EVENTS))
        progress.record_heartbeat(connection, "host/0", [("order-events", number) for number in range(12)])
        connection.execute(
            'INSERT INTO dead_letter (topic, partition, "offset", dlq_topic, dlq_partition, dlq_offset,'
            " event_id, reason, detail) VALUES ('stock', 0, 1, 'stock.dlq', 0, 0, %s, 'INVALID', 'x'),"
            " ('stock', 0, 2, 'stock.dlq', 0, 1, NULL, 'UNDECODABLE', 'x'),"
            " ('stock', 0, 3, 'stock.dlq', 0, 2, %s, 'UNKNOWN_TYPE', 'counted since')",
            (DEAD_LETTER_ID, EVENTS[0].event_id),
        )
    with sync_pool(analytics_server.reader, "tests", 4) as made:
        yield made


DEAD_LETTER_ID = new_id()
SAMPLES = LogSamples()


@pytest.fixture(scope="module")
def grpc_interceptors() -> list[grpc.ServerInterceptor]:
    return [SyncErrors()]


@pytest.fixture(scope="module")
def grpc_servicer(pool: Pool) -> AnalyticsService:
    return AnalyticsService(pool, tokens(), SAMPLES, RevisionWaits(pool, 1))


@pytest.fixture(scope="module")
def grpc_add_to_server(pool: Pool) -> Callable[[AnalyticsService, grpc.Server], None]:
    def add(servicer: AnalyticsService, server: grpc.Server) -> None:
        analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(servicer, server)
        ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedgerService(pool), server)

    return add


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type:
    return analytics_pb2_grpc.AnalyticsServiceStub


@pytest.fixture(scope="module")
def ledger(grpc_channel: grpc.Channel) -> ledger_pb2_grpc.AnalyticsLedgerServiceStub:
    return ledger_pb2_grpc.AnalyticsLedgerServiceStub(grpc_channel)


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Return the code, the reason and the violations of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status.details[0].Unpack(info)
    status.details[1].Unpack(bad)
    return caught.value.code(), info.reason, {one.field: one.description for one in bad.field_violations}


def test_pages_of_metrics_hold_each_metric_once_in_order(grpc_stub: Any) -> None:
    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = grpc_stub.ListMetrics(ListMetricsRequest(page_size=7, page_token=token))
        found += page.metrics
        token, pages = page.next_page_token, pages + 1
    keys = [(one.metric_name, one.dimension) for one in found]
    assert keys == sorted(set(keys))
    assert pages == -(-len(found) // 7)
    for one in found:
        minor = EXPECTED[one.metric_name, one.dimension]
        assert one.value == (minor / 100 if one.metric_name in deltas.MONEY else minor)
        assert one.update_time.seconds > 0


def test_metrics_of_one_name_can_be_listed(grpc_stub: Any) -> None:
    page = grpc_stub.ListMetrics(ListMetricsRequest(metric_name="orders_by_status"))
    assert {one.dimension: one.value for one in page.metrics} == {
        status: orders for (name, status), orders in EXPECTED.items() if name == "orders_by_status"
    }


def test_a_request_with_several_faults_names_them_all(grpc_stub: Any) -> None:
    code, reason, violations = refused(
        lambda: grpc_stub.ListMetrics(ListMetricsRequest(metric_name="profit", page_size=-1, page_token="?"))
    )
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert set(violations) == {"metric_name", "page_size", "page_token"}
    assert "orders_total" in violations["metric_name"]


def test_a_page_token_of_another_query_is_refused(grpc_stub: Any) -> None:
    token = grpc_stub.ListMetrics(ListMetricsRequest(page_size=1)).next_page_token
    other = ListMetricsRequest(metric_name="orders_total", page_token=token)
    code, reason, violations = refused(lambda: grpc_stub.ListMetrics(other))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
    assert violations == {"page_token": "belongs to other filters"}


def test_the_summary_adds_up(grpc_stub: Any) -> None:
    found = grpc_stub.GetSalesSummary(GetSalesSummaryRequest())
    orders, revenue = EXPECTED["orders_total", ""], EXPECTED["revenue_total", ""]
    cancelled = EXPECTED["cancelled_revenue", ""]
    assert (found.orders_total, found.revenue_total) == (orders, revenue / 100)
    assert (found.cancelled_revenue, found.net_revenue) == (cancelled / 100, (revenue - cancelled) / 100)
    assert found.average_order_value == pytest.approx(revenue / orders / 100, abs=0.005)
    assert sum(one.orders for one in found.orders_by_status) == orders
    assert found.restock_requests == EXPECTED["restock_requests", ""]


@pytest.mark.parametrize(("ranking", "metric"), [("UNITS", "top_products_units"), ("REVENUE", "top_products_revenue")])
def test_top_products_come_best_first(grpc_stub: Any, ranking: str, metric: str) -> None:
    found = grpc_stub.TopProducts(TopProductsRequest(limit=3, ranking=TopProductsRequest.Ranking.Value(ranking)))
    values = {product: value for (name, product), value in EXPECTED.items() if name == metric}
    best = sorted(values, key=lambda product: (-values[product], product))[:3]
    assert [one.product_id for one in found.products] == best
    assert [one.units for one in found.products] == [EXPECTED["top_products_units", one] for one in best]
    assert [one.revenue for one in found.products] == [EXPECTED["top_products_revenue", one] / 100 for one in best]


def test_top_products_with_faults_names_them_all(grpc_stub: Any) -> None:
    request = TopProductsRequest(limit=1_001, ranking=9)  # type: ignore[arg-type]
    assert set(refused(lambda: grpc_stub.TopProducts(request))[2]) == {"limit", "ranking"}


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999+00", "10000-01-01T00:00:00+00"])
def test_events_of_any_time_that_were_counted_once_stay_in_the_ledger(
    analytics_server: Analytics, pool: Pool, text: str
) -> None:
    """Older versions counted events up to the end of 9999, and rounded the last microsecond up."""
    event_id = new_id()
    with psycopg.connect(analytics_server.owner, autocommit=True) as owner:
        owner.execute(
            'INSERT INTO processed_events (event_id, occur_time, "offset", total_minor, units, partition, type,'
            " previous_status, status) VALUES (%s, %s, 0, 0, 0, 0, 17, 0, 0)",
            (event_id, text),
        )
        try:
            ledger = AnalyticsLedgerService(pool)
            parts = list(ledger.StreamAnalyticsLedger(BY_MINUTE, None))  # type: ignore[arg-type]
            last = [one.start_time for part in parts for one in part.events][-1]
            asked = StreamCountedIdsRequest(minute_start_time=last)
            ids = [part.event_ids for part in ledger.StreamCountedIds(asked, None)]  # type: ignore[arg-type]
        finally:
            owner.execute("DELETE FROM processed_events WHERE event_id = %s", (event_id,))
    assert last.seconds == 253_402_300_800 - (60 if text.startswith("9999") else 0)
    assert UUID(event_id).bytes in ids[0]


def test_the_last_minutes_of_all_time_may_be_asked_for(grpc_stub: Any) -> None:
    request = OrdersPerMinuteRequest()
    request.start_time.FromJsonString("9999-12-31T23:30:00Z")
    request.end_time.FromJsonString("9999-12-31T23:59:59.999999999Z")
    assert not grpc_stub.OrdersPerMinute(request).minutes


def test_minutes_are_those_asked_for_oldest_first(grpc_stub: Any) -> None:
    request = OrdersPerMinuteRequest(start_time=moment(30), end_time=moment(150))
    found = grpc_stub.OrdersPerMinute(request).minutes
    assert [one.start_time.seconds for one in found] == [moment(minute * 60).seconds for minute in range(3)]
    for minute, one in enumerate(found):
        dimension = f"2026-03-11T22:0{minute}Z"
        assert one.orders == EXPECTED["orders_per_minute", dimension]
        assert one.revenue == EXPECTED["revenue_per_minute", dimension] / 100


def moment(seconds: int) -> Timestamp:
    """Return a time after the first minute."""
    found = Timestamp()
    found.FromDatetime(FIRST_MINUTE + timedelta(seconds=seconds))
    return found


def test_the_last_hour_is_the_default(grpc_stub: Any) -> None:
    assert not grpc_stub.OrdersPerMinute(OrdersPerMinuteRequest()).minutes


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (OrdersPerMinuteRequest(start_time=moment(60), end_time=moment(0)), {"start_time"}),
        (OrdersPerMinuteRequest(start_time=moment(0), end_time=moment(1_441 * 60)), {"end_time"}),
        (
            OrdersPerMinuteRequest(start_time=Timestamp(seconds=-1), end_time=Timestamp(nanos=-1)),
            {"start_time", "end_time"},
        ),
    ],
)
def test_minutes_that_cannot_be_are_refused(grpc_stub: Any, request_: OrdersPerMinuteRequest, fields: set[str]) -> None:
    assert set(refused(lambda: grpc_stub.OrdersPerMinute(request_))[2]) == fields


def test_the_ledger_sums_every_minute_with_its_digest(ledger: Any, analytics_server: Analytics) -> None:
    head, *rest = ledger.StreamAnalyticsLedger(BY_MINUTE)
    assert head.dead_letters == 2
    minutes = [minute for part in rest for minute in part.events]
    orders = {
        m.start_time.seconds: one.events for m in minutes for one in m.types if one.type == EventType.ORDER_CREATED
    }
    assert sum(orders.values()) == EXPECTED["orders_total", ""]
    assert sum(minute.revenue_minor for minute in minutes) == EXPECTED["revenue_total", ""]
    units = sum(value for (name, _), value in EXPECTED.items() if name == "top_products_units")
    assert sum(minute.units for minute in minutes) == units
    ids = {minute.start_time.seconds: [] for minute in minutes}  # type: ignore[var-annotated]
    for event in EVENTS:
        ids[event.occur_time.seconds // 60 * 60].append(event.event_id)
    with psycopg.connect(analytics_server.reader) as connection:
        for minute in minutes:
            query = "SELECT bit_xor(hashtextextended(id, 0)) FROM unnest(%s::text[]) AS id"
            assert connection.execute(query, (ids[minute.start_time.seconds],)).fetchone() == (minute.digest,)


def test_the_ids_of_a_minute_and_of_dead_letters_are_listed(ledger: Any) -> None:
    found = list(ledger.StreamCountedIds(StreamCountedIdsRequest(minute_start_time=moment(60))))
    wanted = {one.event_id for one in EVENTS if moment(60).seconds <= one.occur_time.seconds < moment(120).seconds}
    assert ids_in(b"".join(part.event_ids for part in found)) == wanted
    assert ids_in(b"".join(part.dead_letter_ids for part in found)) == {DEAD_LETTER_ID}


def ids_in(packed: bytes) -> set[str]:
    """Return the ids that stand one after the other."""
    return {str(UUID(bytes=packed[start : start + 16])) for start in range(0, len(packed), 16)}


@pytest.mark.parametrize("minute", [Timestamp(), Timestamp(seconds=61), Timestamp(seconds=-60)])
def test_ids_of_what_is_no_minute_are_refused(ledger: Any, minute: Timestamp) -> None:
    request = StreamCountedIdsRequest(minute_start_time=minute)
    assert set(refused(lambda: list(ledger.StreamCountedIds(request)))[2]) == {"minute_start_time"}


def test_products_are_listed_as_the_metrics_have_them(ledger: Any) -> None:
    products = [one for part in ledger.StreamProductMetrics(StreamProductMetricsRequest()) for one in part.products]
    assert {one.product_id: (one.units, one.revenue_minor) for one in products} == {
        product: (EXPECTED["top_products_units", product], EXPECTED.get(("top_products_revenue", product), 0))
        for name, product in EXPECTED
        if name == "top_products_units"
    }


def test_progress_has_the_counts_and_the_live_workers(ledger: Any) -> None:
    found = ledger.GetAnalyticsProgress(GetAnalyticsProgressRequest())
    assert (found.counted_total, found.workers) == (len(EVENTS), 1)
    assert found.worker_heartbeat_time.seconds > 0
    assert 0 < found.latency_p50_ms <= found.latency_p99_ms


def test_progress_has_paused_partitions_and_worker_crashes(ledger: Any, analytics_server: Analytics) -> None:
    with psycopg.connect(analytics_server.worker, autocommit=True) as worker:
        worker.execute(
            "INSERT INTO worker_crash (worker_id, topic, partition, first_offset, next_offset, records, crashed_at)"
            " VALUES ('a', 'stock', 1, 0, 1, 2, now()), ('a', 'stock', 2, 0, 1, 2, now()),"
            " ('b', 'stock', 1, 0, 1, 2, now()), ('b', 'stock', 1, 0, 1, 2, now() - interval '11 minutes')"
        )
        worker.execute(
            "INSERT INTO paused_partition (topic, partition, records, bad, released_at) VALUES"
            " ('stock', 1, 100, 60, NULL), ('stock', 2, 100, 70, now())"
        )
        found = ledger.GetAnalyticsProgress(GetAnalyticsProgressRequest())
        worker.execute("DELETE FROM worker_crash")
        worker.execute("DELETE FROM paused_partition")
    # Those of one statement are of one end.
    assert found.worker_crashes == 2
    assert [(one.topic, one.partition, one.records, one.bad) for one in found.paused_partitions] == [
        ("stock", 1, 100, 60)
    ]


def test_the_audit_finds_nothing_until_a_metric_is_changed(ledger: Any, analytics_server: Analytics) -> None:
    assert not ledger.AuditMetrics(AuditMetricsRequest()).differences
    tampered = {
        ("revenue_total", ""): ("revenue_total", ""),
        ("orders_by_status", "SHIPPED"): ("orders_by_status", "SHIPPED"),
        ("top_products_units", "p1"): ("top_products_units", ""),
    }
    with psycopg.connect(analytics_server.owner, autocommit=True) as owner:
        change = "UPDATE sales_metrics SET value = value + %s WHERE (metric_name, dimension) = (%s, %s)"
        for key in tampered:
            owner.execute(change, (1, *key))
        found = ledger.AuditMetrics(AuditMetricsRequest()).differences
        for key in tampered:
            owner.execute(change, (-1, *key))
    assert {(one.metric_name, one.dimension): one.actual - one.expected for one in found} == dict.fromkeys(
        tampered.values(), 1
    )


def test_an_event_counted_outside_of_its_transaction_is_found(ledger: Any, analytics_server: Analytics) -> None:
    doubled: list[OrderEvent] = [created(99)]
    with progress.connect(analytics_server.worker) as connection:
        count(connection, batch_of(doubled))
        transaction.add_metrics(connection, sums(doubled))
        names = {one.metric_name for one in ledger.AuditMetrics(AuditMetricsRequest()).differences}
        transaction.add_metrics(connection, {key: -change for key, change in sums(doubled).items()})
    assert {"orders_total", "revenue_total", "orders_per_minute", "orders_by_status"} <= names
    assert not ledger.AuditMetrics(AuditMetricsRequest()).differences
