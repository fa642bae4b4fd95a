"""min_revisions: an answer includes one's own writes, or says how far it is."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
import pytest
from counted_batches import batch_of, count
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.analytics.v1.analytics_pb2 import GetSalesSummaryRequest
from ordermesh.orders.v1.orders_pb2 import Order
from processor_servers import Analytics
from processor_world import created
from signed_tokens import tokens

from processor.counting import progress
from processor.query.analytics_service import AnalyticsService, Pool
from processor.query.freshness import LogSamples, Sample
from processor.query.revisions import RevisionWaits
from runtime.grpc.server import SyncErrors
from runtime.kafka.offsets import NO_TOPIC, PartitionOffsets
from runtime.postgres.connections import sync_pool
from runtime.tokens import order_revision

AT = datetime(2026, 3, 11, 22, tzinfo=UTC)
NOW_US = 1_773_266_400_000_000
PLACES = 2


@pytest.fixture(scope="module")
def pool(analytics_server: Analytics) -> Iterator[Pool]:
    analytics_server.clear()
    with sync_pool(analytics_server.reader, "tests", 8) as made:
        yield made


@pytest.fixture(scope="module")
def grpc_interceptors() -> list[grpc.ServerInterceptor]:
    return [SyncErrors()]


@pytest.fixture(scope="module")
def grpc_servicer(pool: Pool) -> AnalyticsService:
    samples = LogSamples()
    samples.add(Sample(AT, {("stock", 3): PartitionOffsets(NO_TOPIC, 0, 0)}))
    samples.add(Sample(AT, {("stock", 3): PartitionOffsets(NO_TOPIC, 0, 12)}))
    return AnalyticsService(pool, tokens(), samples, RevisionWaits(pool, PLACES))


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Callable[..., None]:
    return analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type:
    return analytics_pb2_grpc.AnalyticsServiceStub


@pytest.fixture
def stub(grpc_stub: Any, pool: Pool) -> Any:
    return grpc_stub


def revision(order_id: str, status: int = Order.CREATED, updated_at_us: int = NOW_US) -> str:
    return order_revision.encode(order_id, status, updated_at_us)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(refused.value).details[0].Unpack(info)
    return refused.value.code(), info.reason, dict(info.metadata)


def test_an_answer_with_revisions_that_are_counted_comes_with_its_freshness(
    stub: Any, analytics_server: Analytics
) -> None:
    event = created(1)
    with progress.connect(analytics_server.worker) as connection:
        count(connection, batch_of([event]))
    found = stub.GetSalesSummary(GetSalesSummaryRequest(min_revisions=[revision(event.order_id)]))
    assert found.orders_total == 1
    assert found.freshness.as_of_time.ToDatetime(UTC) == AT
    assert found.freshness.lag_events == 12


def test_a_write_that_is_counted_during_the_wait_is_in_the_answer(stub: Any, analytics_server: Analytics) -> None:
    event = created(2)
    wanted = GetSalesSummaryRequest(min_revisions=[revision(event.order_id)], wait_ms=10_000)
    before = stub.GetSalesSummary(GetSalesSummaryRequest()).orders_total
    asked = stub.GetSalesSummary.future(wanted)
    with progress.connect(analytics_server.worker) as connection:
        count(connection, batch_of([event]))
    assert asked.result().orders_total == before + 1


def test_a_write_that_is_not_counted_in_time_is_refused_with_how_far_it_is(stub: Any) -> None:
    wanted = revision(created(3).order_id)
    request = GetSalesSummaryRequest(min_revisions=[wanted], wait_ms=1)
    code, reason, metadata = refusal(lambda: stub.GetSalesSummary(request))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_COUNTED")
    assert metadata == {
        "not_counted": "1",
        "revision": wanted,
        "as_of_time": "2026-03-11T22:00:00.000Z",
        "lag_events": "12",
    }


def test_another_status_of_the_order_is_another_change(stub: Any, analytics_server: Analytics) -> None:
    event = created(4)
    with progress.connect(analytics_server.worker) as connection:
        count(connection, batch_of([event]))
    request = GetSalesSummaryRequest(min_revisions=[revision(event.order_id, Order.PAID)], wait_ms=1)
    assert refusal(lambda: stub.GetSalesSummary(request))[1] == "NOT_COUNTED"


@pytest.mark.parametrize("text", ["", "x" * 35, "A" * 35, "AQ" * 18, "é" * 35])
def test_what_is_no_revision_is_refused_by_the_name_of_its_field(stub: Any, text: str) -> None:
    request = GetSalesSummaryRequest(min_revisions=[revision(str(UUID(int=1))), text])
    code, reason, _ = refusal(lambda: stub.GetSalesSummary(request))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


def test_too_many_revisions_and_a_wait_out_of_range_are_refused(stub: Any) -> None:
    many = [revision(str(UUID(int=number))) for number in range(101)]
    for request in (GetSalesSummaryRequest(min_revisions=many), GetSalesSummaryRequest(wait_ms=10_001)):
        assert refusal(lambda request=request: stub.GetSalesSummary(request))[1] == "INVALID_FIELD"


def test_only_some_calls_wait_and_the_others_are_answered(pool: Pool) -> None:
    waits, held = RevisionWaits(pool, 1), threading.Event()
    request = GetSalesSummaryRequest(min_revisions=[revision(created(5).order_id)], wait_ms=10_000)
    assert waits._places.acquire(blocking=False)
    held.set()
    with pytest.raises(Exception, match="overloaded"):
        waits.wait(request, 10_000, None)  # type: ignore[arg-type]
    assert waits.wait(GetSalesSummaryRequest(), 1, None) == []  # type: ignore[arg-type]
    waits._places.release()


def test_a_revision_tells_the_order_the_status_and_the_time() -> None:
    order_id = str(UUID(int=2**127 + 5))
    text = revision(order_id, Order.SHIPPED, -5)
    assert len(text) == order_revision.CHARACTERS
    assert order_revision.decode(text) == (UUID(order_id), Order.SHIPPED, -5)
