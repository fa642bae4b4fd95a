"""The calls as values, for both clients: method path, request, decoder, deadline and how a stream resumes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from ordermesh.analytics.v1 import analytics_pb2 as analytics
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1 import dead_letters_pb2 as dead_letters
from ordermesh.gateway.v1 import pipeline_pb2 as pipeline
from ordermesh.gateway.v1 import timeline_pb2 as timelines
from ordermesh.gateway.v1 import watch_pb2 as watch
from ordermesh.orders.v1 import inventory_pb2 as inventory
from ordermesh.orders.v1 import orders_pb2 as orders

from ordermesh_client.errors import OrdermeshError, from_status

Response = TypeVar("Response", covariant=True)
Page = TypeVar("Page", bound="HasNextPage")
Ranking: TypeAlias = analytics.TopProductsRequest.Ranking
ProductSales: TypeAlias = analytics.TopProductsResponse.ProductSales
Minute: TypeAlias = analytics.OrdersPerMinuteResponse.Minute
RECONCILE_WAIT_SECONDS = 30
# Time to read both ledgers, besides the wait.
RECONCILE_READ_SECONDS = 30.0


class HasNextPage(Protocol):
    """A response that may have a next page."""

    next_page_token: str


@dataclass(frozen=True, slots=True)
class Call(Generic[Response]):
    """One call."""

    path: str
    request: Message
    read: Callable[[bytes], Response]
    timeout_seconds: float | None = None
    # Returns the request that resumes a broken stream after this response. None: the stream is not resumed.
    resume: Callable[[Any], Message] | None = None

    def with_deadline(self, given_seconds: float | None, default_seconds: float | None) -> Call[Response]:
        """Return the call with the given deadline, else its own, else the default."""
        own = self.timeout_seconds if self.timeout_seconds is not None else default_seconds
        return replace(self, timeout_seconds=own if given_seconds is None else given_seconds)

    def next_page(self, page: HasNextPage) -> Call[Response]:
        """Return the call for the next page."""
        request = type(self.request).FromString(self.request.SerializeToString())
        request.page_token = page.next_page_token  # type: ignore[attr-defined] # every paged request has one
        return replace(self, request=request)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """One order of a batch; a request id is generated unless given."""

    customer_id: str
    items: Iterable[orders.OrderItem]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one order of a batch: exactly one of order and error is set."""

    request_id: str
    order: orders.OrderSummary | None = None
    error: OrdermeshError | None = None


def encode(request: Message) -> bytes:
    """Encode a request."""
    return request.SerializeToString()


def path(file: FileDescriptor, service: str, method: str) -> str:
    """Return the path of a method; raise KeyError when the contract has no such method."""
    found = file.services_by_name[service].methods_by_name[method]
    return f"/{found.containing_service.full_name}/{found.name}"


def order_method(name: str) -> str:
    """Return the path of a method of OrderService."""
    return path(orders.DESCRIPTOR, "OrderService", name)


def inventory_method(name: str) -> str:
    """Return the path of a method of InventoryService."""
    return path(inventory.DESCRIPTOR, "InventoryService", name)


def analytics_method(name: str) -> str:
    """Return the path of a method of AnalyticsService."""
    return path(analytics.DESCRIPTOR, "AnalyticsService", name)


def pipeline_method(name: str) -> str:
    """Return the path of a method of PipelineService."""
    return path(pipeline.DESCRIPTOR, "PipelineService", name)


def dead_letter_method(name: str) -> str:
    """Return the path of a method of DeadLetterService."""
    return path(dead_letters.DESCRIPTOR, "DeadLetterService", name)


def timeline_method(name: str) -> str:
    """Return the path of a method of OrderTimelineService."""
    return path(timelines.DESCRIPTOR, "OrderTimelineService", name)


def watch_method(name: str) -> str:
    """Return the path of a method of WatchService."""
    return path(watch.DESCRIPTOR, "WatchService", name)


def create_order(customer_id: str, items: Iterable[orders.OrderItem], request_id: str | None) -> Call[orders.Order]:
    """Create an order."""
    request = orders.CreateOrderRequest(
        customer_id=customer_id, items=items, request_id=request_id or str(uuid.uuid4())
    )
    return Call(order_method("CreateOrder"), request, orders.Order.FromString)


def create_orders(new_orders: Iterable[NewOrder]) -> Call[list[BatchResult]]:
    """Create several orders."""
    requests = [
        orders.CreateOrderRequest(customer_id=new.customer_id, items=new.items, request_id=new.request_id)
        for new in new_orders
    ]

    def read(encoded: bytes) -> list[BatchResult]:
        response = orders.BatchCreateOrdersResponse.FromString(encoded)
        return [
            batch_result(request.request_id, result) for request, result in zip(requests, response.results, strict=True)
        ]

    return Call(order_method("BatchCreateOrders"), orders.BatchCreateOrdersRequest(requests=requests), read)


def batch_result(request_id: str, result: orders.BatchCreateOrdersResponse.Result) -> BatchResult:
    """Return the result of one order."""
    if result.HasField("error"):
        return BatchResult(request_id, error=from_status(result.error))
    return BatchResult(request_id, order=result.order)


def get_order(order_id: str) -> Call[orders.Order]:
    """Return one order."""
    return Call(order_method("GetOrder"), orders.GetOrderRequest(order_id=order_id), orders.Order.FromString)


def order_filter(
    customer_id: str | None,
    status: orders.Order.Status | None,
    start_time: datetime | None,
    end_time: datetime | None,
    page_size: int,
) -> orders.ListOrdersRequest:
    """Return the request that selects the orders to list."""
    return orders.ListOrdersRequest(
        customer_id=customer_id,
        status=status,
        start_time=start_time,
        end_time=end_time,
        page_size=page_size,
    )


def list_orders(request: orders.ListOrdersRequest) -> Call[orders.ListOrdersResponse]:
    """Return a page of orders."""
    return Call(order_method("ListOrders"), request, orders.ListOrdersResponse.FromString)


def stream_orders(request: orders.ListOrdersRequest) -> Call[orders.OrderSummary]:
    """Stream a page of orders as summaries."""
    return Call(order_method("StreamOrders"), request, orders.OrderSummary.FromString)


def cancel_order(order_id: str, request_id: str | None) -> Call[orders.Order]:
    """Cancel an order."""
    request = orders.CancelOrderRequest(order_id=order_id, request_id=request_id or str(uuid.uuid4()))
    return Call(order_method("CancelOrder"), request, orders.Order.FromString)


def complete_payment(order_id: str, request_id: str | None) -> Call[orders.Order]:
    """Mark an order as paid."""
    request = orders.CompletePaymentRequest(order_id=order_id, request_id=request_id or str(uuid.uuid4()))
    return Call(order_method("CompletePayment"), request, orders.Order.FromString)


def ship_order(order_id: str, request_id: str | None) -> Call[orders.Order]:
    """Mark an order as shipped."""
    request = orders.ShipOrderRequest(order_id=order_id, request_id=request_id or str(uuid.uuid4()))
    return Call(order_method("ShipOrder"), request, orders.Order.FromString)


def list_products(page_size: int) -> Call[inventory.ListProductsResponse]:
    """Return a page of products."""
    request = inventory.ListProductsRequest(page_size=page_size)
    return Call(inventory_method("ListProducts"), request, inventory.ListProductsResponse.FromString)


def get_product(product_id: str) -> Call[inventory.Product]:
    """Return one product."""
    request = inventory.GetProductRequest(product_id=product_id)
    return Call(inventory_method("GetProduct"), request, inventory.Product.FromString)


def create_product(
    product_id: str, name: str, price: float, stock: int | None, request_id: str | None
) -> Call[inventory.Product]:
    """Add a product."""
    request = inventory.CreateProductRequest(
        product_id=product_id,
        name=name,
        price=price,
        tracked=stock is not None,
        stock=stock,
        request_id=request_id or str(uuid.uuid4()),
    )
    return Call(inventory_method("CreateProduct"), request, inventory.Product.FromString)


def restock_product(product_id: str, quantity: int, request_id: str | None) -> Call[inventory.RestockProductResponse]:
    """Add stock to a product."""
    request = inventory.RestockProductRequest(
        product_id=product_id, quantity=quantity, request_id=request_id or str(uuid.uuid4())
    )
    return Call(inventory_method("RestockProduct"), request, inventory.RestockProductResponse.FromString)


def list_metrics(
    metric_name: str | None, page_size: int, min_revisions: Sequence[str], wait_ms: int | None
) -> Call[analytics.ListMetricsResponse]:
    """Return a page of metrics."""
    request = analytics.ListMetricsRequest(
        metric_name=metric_name, page_size=page_size, min_revisions=min_revisions, wait_ms=wait_ms
    )
    return Call(analytics_method("ListMetrics"), request, analytics.ListMetricsResponse.FromString)


def sales_summary(min_revisions: Sequence[str], wait_ms: int | None) -> Call[analytics.SalesSummary]:
    """Return the totals."""
    request = analytics.GetSalesSummaryRequest(min_revisions=min_revisions, wait_ms=wait_ms)
    return Call(analytics_method("GetSalesSummary"), request, analytics.SalesSummary.FromString)


def top_products(
    limit: int, ranking: Ranking, min_revisions: Sequence[str], wait_ms: int | None
) -> Call[analytics.TopProductsResponse]:
    """Return the best-selling products."""
    request = analytics.TopProductsRequest(limit=limit, ranking=ranking, min_revisions=min_revisions, wait_ms=wait_ms)
    return Call(analytics_method("TopProducts"), request, analytics.TopProductsResponse.FromString)


def orders_per_minute(
    start: datetime | None, end: datetime | None, min_revisions: Sequence[str], wait_ms: int | None
) -> Call[analytics.OrdersPerMinuteResponse]:
    """Return orders and revenue by minute."""
    request = analytics.OrdersPerMinuteRequest(
        start_time=start, end_time=end, min_revisions=min_revisions, wait_ms=wait_ms
    )
    return Call(analytics_method("OrdersPerMinute"), request, analytics.OrdersPerMinuteResponse.FromString)


def order_timeline(order_id: str) -> Call[timelines.OrderTimeline]:
    """Return the life of an order."""
    request = timelines.GetOrderTimelineRequest(order_id=order_id)
    return Call(timeline_method("GetOrderTimeline"), request, timelines.OrderTimeline.FromString)


def dead_letter_filter(
    *,
    source: dead_letters.DeadLetter.Source | None = None,
    topic: str | None = None,
    reason: str | None = None,
    text: str | None = None,
    event_type: EventType | None = None,
    key: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    state: dead_letters.DeadLetter.State | None = None,
    page_size: int | None = None,
) -> dead_letters.ListDeadLettersRequest:
    """Return filters of dead letters; those that are None accept every one."""
    return dead_letters.ListDeadLettersRequest(
        source=source,
        topic=topic,
        reason=reason,
        text=text,
        event_type=event_type,
        key=key,
        start_time=start,
        end_time=end,
        state=state,
        page_size=page_size,
    )


def dead_letter_summary() -> Call[dead_letters.DeadLetterSummary]:
    """Return the open dead letters in numbers."""
    request = dead_letters.GetDeadLetterSummaryRequest()
    return Call(dead_letter_method("GetDeadLetterSummary"), request, dead_letters.DeadLetterSummary.FromString)


def list_dead_letters(request: dead_letters.ListDeadLettersRequest) -> Call[dead_letters.ListDeadLettersResponse]:
    """Return a page of dead letters."""
    return Call(dead_letter_method("ListDeadLetters"), request, dead_letters.ListDeadLettersResponse.FromString)


def get_dead_letter(dead_letter_id: str) -> Call[dead_letters.DeadLetterContent]:
    """Return a dead letter with its event."""
    request = dead_letters.GetDeadLetterRequest(dead_letter_id=dead_letter_id)
    return Call(dead_letter_method("GetDeadLetter"), request, dead_letters.DeadLetterContent.FromString)


def change_dead_letters(
    method: str, ids: Iterable[str], matching: dead_letters.ListDeadLettersRequest | None, validate_only: bool
) -> Call[dead_letters.ChangeDeadLettersResponse]:
    """Redrive or discard dead letters."""
    request = dead_letters.ChangeDeadLettersRequest(dead_letter_ids=ids, filter=matching, validate_only=validate_only)
    return Call(dead_letter_method(method), request, dead_letters.ChangeDeadLettersResponse.FromString)


def resume_partitions(partitions: Iterable[str]) -> Call[dead_letters.ResumePartitionsResponse]:
    """Resume paused partitions."""
    request = dead_letters.ResumePartitionsRequest(partitions=partitions)
    return Call(dead_letter_method("ResumePartitions"), request, dead_letters.ResumePartitionsResponse.FromString)


def status() -> Call[pipeline.PipelineStatus]:
    """Return the status of every stage of the pipeline."""
    return Call(pipeline_method("GetStatus"), pipeline.GetStatusRequest(), pipeline.PipelineStatus.FromString)


def watch_status(interval_ms: int) -> Call[pipeline.WatchStatusResponse]:
    """Stream the status."""
    request = pipeline.WatchStatusRequest(interval_ms=interval_ms)
    read = pipeline.WatchStatusResponse.FromString
    return Call(pipeline_method("WatchStatus"), request, read, resume=lambda response: request)


def watch_orders(
    customer_id: str | None, after_revision: str | None, heartbeat_ms: int
) -> Call[watch.WatchOrdersResponse]:
    """Stream the changes of orders."""

    def after(revision: str | None) -> watch.WatchOrdersRequest:
        return watch.WatchOrdersRequest(customer_id=customer_id, after_revision=revision, heartbeat_ms=heartbeat_ms)

    read = watch.WatchOrdersResponse.FromString
    return Call(
        watch_method("WatchOrders"), after(after_revision), read, resume=lambda response: after(response.revision)
    )


def watch_metrics(after_revision: str | None, interval_ms: int, heartbeat_ms: int) -> Call[watch.WatchMetricsResponse]:
    """Stream the totals."""

    def after(revision: str | None) -> watch.WatchMetricsRequest:
        return watch.WatchMetricsRequest(after_revision=revision, interval_ms=interval_ms, heartbeat_ms=heartbeat_ms)

    read = watch.WatchMetricsResponse.FromString
    return Call(
        watch_method("WatchMetrics"), after(after_revision), read, resume=lambda response: after(response.revision)
    )


def reconcile(wait_seconds: int, *, full: bool = False) -> Call[pipeline.ReconcileResponse]:
    """Compare the orders with the metrics."""
    request = pipeline.ReconcileRequest(wait_seconds=wait_seconds, full=full)
    deadline = wait_seconds + RECONCILE_READ_SECONDS
    method = pipeline_method("Reconcile")
    return Call(method, request, pipeline.ReconcileResponse.FromString, timeout_seconds=deadline)
