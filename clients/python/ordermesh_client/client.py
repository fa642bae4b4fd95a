# Generated from aio.py by clients/python/generate_client.py: do not edit.
"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import grpc
from ordermesh.analytics.v1.analytics_pb2 import Metric, SalesSummary, TopProductsRequest
from ordermesh.gateway.v1.dead_letters_pb2 import (
    ChangeDeadLettersResponse,
    DeadLetter,
    DeadLetterContent,
    DeadLetterSummary,
    ListDeadLettersRequest,
)
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse, WatchStatusResponse
from ordermesh.gateway.v1.timeline_pb2 import OrderTimeline
from ordermesh.gateway.v1.watch_pb2 import WatchMetricsResponse, WatchOrdersResponse
from ordermesh.orders.v1.inventory_pb2 import Product, RestockProductResponse
from ordermesh.orders.v1.orders_pb2 import Order, OrderItem, OrderSummary

from ordermesh_client import calls
from ordermesh_client.calls import BatchResult, Call, Minute, NewOrder, Page, ProductSales, Ranking, Response
from ordermesh_client.channels import DEFAULT_TARGET, DEFAULT_TIMEOUT_SECONDS, bearer, open_sync
from ordermesh_client.errors import from_call
from ordermesh_client.retry import Attempts, RetryPolicy


class Client:
    """A client that may be shared by threads. A call that fails raises an OrdermeshError."""

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        # A key or a token, sent with each call.
        api_key: str | None = None,
        # Of TLS.
        credentials: grpc.ChannelCredentials | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._channel = open_sync(target, credentials)
        self._metadata = bearer(api_key)
        self._timeout_seconds = timeout_seconds
        self._retry = retry or RetryPolicy()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_order(
        self,
        customer_id: str,
        items: Iterable[OrderItem],
        *,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Order:
        """Create an order. A request id is generated unless given; give one to repeat a call of an earlier process."""
        return self._call(calls.create_order(customer_id, items, request_id), timeout_seconds)

    def create_orders(
        self, new_orders: Iterable[NewOrder], *, timeout_seconds: float | None = None
    ) -> list[BatchResult]:
        """Create up to 1,000 orders in one call; a refused order has an error and does not fail the others."""
        return self._call(calls.create_orders(new_orders), timeout_seconds)

    def get_order(self, order_id: str, *, timeout_seconds: float | None = None) -> Order:
        """Return one order with its items."""
        return self._call(calls.get_order(order_id), timeout_seconds)

    def orders(
        self,
        *,
        customer_id: str | None = None,
        status: Order.Status | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 100,
        timeout_seconds: float | None = None,
    ) -> Iterator[Order]:
        """Iterate over all orders, newest first, page by page; the deadline applies to each page."""
        request = calls.order_filter(customer_id, status, start_time, end_time, page_size)
        for page in self._pages(calls.list_orders(request), timeout_seconds):
            yield from page.orders

    def stream_orders(
        self,
        *,
        customer_id: str | None = None,
        status: Order.Status | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 100,
        timeout_seconds: float | None = None,
    ) -> Iterator[OrderSummary]:
        """Iterate over the newest orders without their items, at most page_size (1 to 1,000), in one streamed call."""
        request = calls.order_filter(customer_id, status, start_time, end_time, page_size)
        return self._stream(self._with_deadline(calls.stream_orders(request), timeout_seconds))

    def cancel_order(
        self, order_id: str, *, request_id: str | None = None, timeout_seconds: float | None = None
    ) -> Order:
        """Cancel an order that is not shipped; its stock is returned."""
        return self._call(calls.cancel_order(order_id, request_id), timeout_seconds)

    def complete_payment(
        self, order_id: str, *, request_id: str | None = None, timeout_seconds: float | None = None
    ) -> Order:
        """Mark a CREATED order as PAID."""
        return self._call(calls.complete_payment(order_id, request_id), timeout_seconds)

    def ship_order(
        self, order_id: str, *, request_id: str | None = None, timeout_seconds: float | None = None
    ) -> Order:
        """Mark a PAID order as SHIPPED."""
        return self._call(calls.ship_order(order_id, request_id), timeout_seconds)

    def products(self, *, page_size: int = 100, timeout_seconds: float | None = None) -> Iterator[Product]:
        """Iterate over the whole catalogue by product id, page by page; the deadline applies to each page."""
        for page in self._pages(calls.list_products(page_size), timeout_seconds):
            yield from page.products

    def get_product(self, product_id: str, *, timeout_seconds: float | None = None) -> Product:
        """Return one product."""
        return self._call(calls.get_product(product_id), timeout_seconds)

    def create_product(
        self,
        product_id: str,
        name: str,
        price: float,
        *,
        stock: int | None = None,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Product:
        """Add a product; its stock is tracked when one is given. A request id is generated unless given."""
        return self._call(calls.create_product(product_id, name, price, stock, request_id), timeout_seconds)

    def restock_product(
        self,
        product_id: str,
        quantity: int,
        *,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> RestockProductResponse:
        """Add stock and release backorders. A request id is generated unless given."""
        return self._call(calls.restock_product(product_id, quantity, request_id), timeout_seconds)

    def metrics(
        self,
        *,
        metric_name: str | None = None,
        page_size: int = 100,
        min_revisions: Sequence[str] = (),
        wait_ms: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Iterator[Metric]:
        """Iterate over the metrics by name and dimension, page by page; the deadline applies to each page."""
        call = calls.list_metrics(metric_name, page_size, min_revisions, wait_ms)
        for page in self._pages(call, timeout_seconds):
            yield from page.metrics

    def sales_summary(
        self,
        *,
        min_revisions: Sequence[str] = (),
        wait_ms: int | None = None,
        timeout_seconds: float | None = None,
    ) -> SalesSummary:
        """Return the totals of orders and revenue; with revisions of orders, once these are counted."""
        return self._call(calls.sales_summary(min_revisions, wait_ms), timeout_seconds)

    def top_products(
        self,
        limit: int = 10,
        *,
        ranking: Ranking = TopProductsRequest.UNITS,
        min_revisions: Sequence[str] = (),
        wait_ms: int | None = None,
        timeout_seconds: float | None = None,
    ) -> list[ProductSales]:
        """Return the best-selling products, best first."""
        response = self._call(calls.top_products(limit, ranking, min_revisions, wait_ms), timeout_seconds)
        return list(response.products)

    def orders_per_minute(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        min_revisions: Sequence[str] = (),
        wait_ms: int | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Minute]:
        """Return orders and revenue minute by minute, oldest first; by default of the last hour."""
        response = self._call(calls.orders_per_minute(start, end, min_revisions, wait_ms), timeout_seconds)
        return list(response.minutes)

    def order_timeline(self, order_id: str, *, timeout_seconds: float | None = None) -> OrderTimeline:
        """Return the life of an order: committed, published, counted; and what is not known."""
        return self._call(calls.order_timeline(order_id), timeout_seconds)

    def dead_letter_summary(self, *, timeout_seconds: float | None = None) -> DeadLetterSummary:
        """Return the number and the ages of open dead letters, and the paused partitions."""
        return self._call(calls.dead_letter_summary(), timeout_seconds)

    def dead_letters(
        self, matching: ListDeadLettersRequest | None = None, *, timeout_seconds: float | None = None
    ) -> Iterator[DeadLetter]:
        """Iterate over dead letters, of `calls.dead_letter_filter`, page by page; the deadline applies to each page."""
        call = calls.list_dead_letters(matching or ListDeadLettersRequest())
        for page in self._pages(call, timeout_seconds):
            yield from page.dead_letters

    def get_dead_letter(self, dead_letter_id: str, *, timeout_seconds: float | None = None) -> DeadLetterContent:
        """Return a dead letter with its event, byte for byte."""
        return self._call(calls.get_dead_letter(dead_letter_id), timeout_seconds)

    def redrive_dead_letters(
        self,
        ids: Iterable[str] = (),
        *,
        matching: ListDeadLettersRequest | None = None,
        validate_only: bool = False,
        timeout_seconds: float | None = None,
    ) -> ChangeDeadLettersResponse:
        """Send the events of dead letters again, by ids or a filter; `next_page_token` of the response continues."""
        call = calls.change_dead_letters("RedriveDeadLetters", ids, matching, validate_only)
        return self._call(call, timeout_seconds)

    def discard_dead_letters(
        self,
        ids: Iterable[str] = (),
        *,
        matching: ListDeadLettersRequest | None = None,
        validate_only: bool = False,
        timeout_seconds: float | None = None,
    ) -> ChangeDeadLettersResponse:
        """Give dead letters up, by ids or a filter; `next_page_token` of the response continues."""
        call = calls.change_dead_letters("DiscardDeadLetters", ids, matching, validate_only)
        return self._call(call, timeout_seconds)

    def resume_partitions(self, partitions: Iterable[str] = (), *, timeout_seconds: float | None = None) -> list[str]:
        """Resume paused partitions, all of them if none is given; return those that were paused."""
        response = self._call(calls.resume_partitions(partitions), timeout_seconds)
        return list(response.partitions)

    def status(self, *, timeout_seconds: float | None = None) -> PipelineStatus:
        """Return the status of every stage of the pipeline."""
        return self._call(calls.status(), timeout_seconds)

    def watch_status(self, interval_ms: int = 1_000) -> Iterator[WatchStatusResponse]:
        """Iterate over the status, endlessly; after a lost connection, revisions start at 1 again."""
        return self._stream(calls.watch_status(interval_ms))

    def watch_orders(
        self, *, customer_id: str | None = None, after_revision: str | None = None, heartbeat_ms: int = 5_000
    ) -> Iterator[WatchOrdersResponse]:
        """Iterate over the changes of orders, endlessly; after a lost connection it resumes without a gap."""
        return self._stream(calls.watch_orders(customer_id, after_revision, heartbeat_ms))

    def watch_metrics(
        self, *, after_revision: str | None = None, interval_ms: int = 1_000, heartbeat_ms: int = 5_000
    ) -> Iterator[WatchMetricsResponse]:
        """Iterate over the totals as they change, endlessly; it resumes after a lost connection."""
        return self._stream(calls.watch_metrics(after_revision, interval_ms, heartbeat_ms))

    def reconcile(
        self,
        wait_seconds: int = calls.RECONCILE_WAIT_SECONDS,
        *,
        full: bool = False,
        timeout_seconds: float | None = None,
    ) -> ReconcileResponse:
        """Compare the orders with the metrics; wait for events in flight, and at most 30 s more for the result.

        With `full`, from all rows: without a verdict in time, the response has the progress; calling again waits on.
        """
        return self._call(calls.reconcile(wait_seconds, full=full), timeout_seconds)

    def _with_deadline(self, call: Call[Response], timeout_seconds: float | None) -> Call[Response]:
        return call.with_deadline(timeout_seconds, self._timeout_seconds)

    def _call(self, call: Call[Response], timeout_seconds: float | None) -> Response:
        call = self._with_deadline(call, timeout_seconds)
        attempts = Attempts(self._retry, call.timeout_seconds)
        method = self._channel.unary_unary(call.path, calls.encode, call.read)
        while True:
            try:
                return method(call.request, timeout=attempts.remaining_seconds(), metadata=self._metadata)
            except grpc.RpcError as failure:
                error = from_call(failure)
            time.sleep(attempts.pause_after(error))

    def _stream(self, call: Call[Response]) -> Iterator[Response]:
        attempts = Attempts(self._retry, call.timeout_seconds)
        method = self._channel.unary_stream(call.path, calls.encode, call.read)
        request, started = call.request, False
        while True:
            responses = method(request, timeout=attempts.remaining_seconds(), metadata=self._metadata)
            try:
                for response in responses:
                    started = True
                    attempts.reset()
                    yield response
                    request = call.resume(response) if call.resume else request
                return
            except grpc.RpcError as failure:
                error = from_call(failure)
            finally:
                responses.cancel()
            if started and call.resume is None:
                raise error
            time.sleep(attempts.pause_after(error))

    def _pages(self, call: Call[Page], timeout_seconds: float | None) -> Iterator[Page]:
        while True:
            page = self._call(call, timeout_seconds)
            yield page
            if not page.next_page_token:
                return
            call = call.next_page(page)
