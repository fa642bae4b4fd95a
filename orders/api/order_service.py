"""Serves OrderService: creates, reads, lists, cancels, pays and ships orders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec

import grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from orders.api import messages, order_pages, validation
from orders.api.admission import Admission, time_remaining
from orders.api.idempotent_writes import REPLAYED_METADATA, IdempotentWrites
from orders.api.read_admission import ReadAdmission
from orders.domain.order import CANCELLED, PAID, SHIPPED, Accepted, NewOrder, Outcome, Status, StoredOrder
from orders.stock.product_cache import ProductCache
from orders.store.order_rows import fetch_order
from orders.store.queries import QUERIES
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import StatusTransitions
from runtime.audit.entries import Origin
from runtime.errors import ServiceError
from runtime.grpc import rest_field_names
from runtime.grpc.error_mapping import to_status
from runtime.grpc.slices import in_slices
from runtime.identity import caller, origin
from runtime.identity.client_key import client_key
from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry.logging import logger
from runtime.telemetry.tracing import server_span
from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.page_token import PageTokens

Context = grpc.aio.ServicerContext[Any, Any]
P = ParamSpec("P")
SERVICE = "ordermesh.orders.v1.OrderService"


class OrderService(orders_pb2_grpc.OrderServiceServicer):
    """The methods of OrderService."""

    def __init__(
        self,
        reads: ReadAdmission,
        products: ProductCache,
        writer: Writer,
        transitions: StatusTransitions,
        admission: Admission,
        writes: IdempotentWrites,
        tokens: OpaqueTokens,
    ) -> None:
        self._reads = reads
        self._products = products
        self._writer = writer
        self._transitions = transitions
        self._admission = admission
        self._writes = writes
        self._stream_tokens = PageTokens(tokens, f"{SERVICE}/StreamOrders")
        self._list_tokens = PageTokens(tokens, f"{SERVICE}/ListOrders")

    async def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: Context) -> orders_pb2.Order:
        """Store an order and return it once it is durable."""
        caller.current().own_customer_id(request.customer_id)
        remaining, metadata = time_remaining(context), context.invocation_metadata()
        with self._admission.admit(1, remaining, client_key(metadata)):
            trace = server_span.trace_of(metadata)
            operator = origin.of_named_operator(metadata, trace)
            order = validation.new_order(request, trace.traceparent, deadline(remaining), operator)
            if carried := server_span.baggage():
                order = order._replace(baggage=carried)
            await self._products.load(order.lines)
            (outcome,) = await self._writer.submit([self._products.with_needs(order)])
        if isinstance(outcome, ServiceError):
            raise outcome
        if outcome.replayed:
            await context.send_initial_metadata(REPLAYED_METADATA)
        if trace.sampled:
            logger().info(
                "order accepted",
                order_id=outcome.order_id,
                customer_id=order.customer_id,
                trace_id=trace.trace_id,
                span_id=trace.span_id,
            )
            server_span.add_order(outcome.order_id)
        return messages.accepted_message(order, outcome)

    async def BatchCreateOrders(
        self, request: orders_pb2.BatchCreateOrdersRequest, context: Context
    ) -> orders_pb2.BatchCreateOrdersResponse:
        """Store up to a thousand orders; each has an outcome of its own."""
        count = validation.batch(request)
        remaining, metadata = time_remaining(context), context.invocation_metadata()
        with self._admission.admit(count, remaining, client_key(metadata)):
            trace = server_span.trace_of(metadata)
            operator = origin.of_named_operator(metadata, trace)
            until = deadline(remaining)
            valid = [
                result_or_error(own_order, each, trace.traceparent, until, operator)
                async for each in in_slices(request.requests, lambda each: 1 + len(each.items))
            ]
            await self._products.load([line for each in valid if isinstance(each, NewOrder) for line in each.lines])
            checked = [
                result_or_error(self._products.with_needs, each) if isinstance(each, NewOrder) else each
                for each in valid
            ]
            orders = [order for order in checked if isinstance(order, NewOrder)]
            if carried := server_span.baggage():
                orders = [order._replace(baggage=carried) for order in orders]
            outcomes = iter(await self._writer.submit(orders)) if orders else iter(())
        response = orders_pb2.BatchCreateOrdersResponse()
        over_rest = rest_field_names.over_rest(metadata)
        async for each in in_slices(checked, result_cost):
            if isinstance(each, NewOrder):
                add_result(response, each, next(outcomes), over_rest)
            else:
                response.results.add(error=to_status(each, over_rest=over_rest))
        return response

    async def GetOrder(self, request: orders_pb2.GetOrderRequest, context: Context) -> orders_pb2.Order:
        """Return one order."""
        return messages.order_message(await self._visible_order(validation.order_id(request.order_id), context))

    async def StreamOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> AsyncIterator[orders_pb2.OrderSummary]:
        """Stream a page of summaries; the header "link" has the URL of the next page."""
        size = validation.list_orders(request)
        request.customer_id = caller.current().own_customer_id(request.customer_id)
        async with self._reads.connection(size, context) as connection:
            page = await order_pages.page(connection, request, size, self._stream_tokens, count_lines=False)
        if page.next_page_token:
            await context.send_initial_metadata((("link", order_pages.next_link(request, page.next_page_token)),))
        for order in page.orders:
            yield messages.summary_message(order)

    async def ListOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> orders_pb2.ListOrdersResponse:
        """Return a page of orders, newest first."""
        size = validation.list_orders(request)
        request.customer_id = caller.current().own_customer_id(request.customer_id)
        async with self._reads.connection(size, context) as connection:
            page = await order_pages.page(connection, request, size, self._list_tokens, count_lines=True)
            orders = await order_pages.order_messages(connection, page.orders)
        return orders_pb2.ListOrdersResponse(orders=orders, next_page_token=page.next_page_token)

    async def CancelOrder(self, request: orders_pb2.CancelOrderRequest, context: Context) -> orders_pb2.Order:
        """Cancel an order."""
        return await self._transition("CancelOrder", request, CANCELLED, context)

    async def CompletePayment(self, request: orders_pb2.CompletePaymentRequest, context: Context) -> orders_pb2.Order:
        """Mark an order as paid."""
        return await self._transition("CompletePayment", request, PAID, context)

    async def ShipOrder(self, request: orders_pb2.ShipOrderRequest, context: Context) -> orders_pb2.Order:
        """Mark an order as shipped."""
        return await self._transition("ShipOrder", request, SHIPPED, context)

    async def _visible_order(self, order_id: str, context: Context) -> StoredOrder:
        """Return an order of which the caller may know. Raises NotFound."""
        async with self._reads.connection(1, context) as connection:
            return await fetch_order(connection, QUERIES.get_order, order_id, caller.current().only_customer_id)

    async def _transition(self, name: str, request: Any, target: Status, context: Context) -> orders_pb2.Order:
        order_id = validation.order_id(request.order_id, request.request_id)
        if caller.current().is_customer:
            # Before the idempotency key and the locks of an order that may be another customer's.
            await self._visible_order(order_id, context)
        metadata = context.invocation_metadata()
        trace = server_span.trace_of(metadata)
        operator = origin.of_operator(metadata, trace)
        recorded = None if operator is None else (name, operator)

        async def transition(connection: AsyncConnection) -> orders_pb2.Order:
            server_span.add_order(order_id)
            order = await self._transitions.apply(connection, order_id, target, trace.traceparent, recorded)
            return messages.order_message(order)

        return await self._writes.run(request, order_id, context, orders_pb2.Order, transition)


def deadline(remaining: float | None) -> float | None:
    """Return the time on time.monotonic() at which `remaining` seconds have passed."""
    return None if remaining is None else time.monotonic() + remaining


def add_result(
    response: orders_pb2.BatchCreateOrdersResponse, order: NewOrder, outcome: Outcome, over_rest: bool
) -> None:
    """Add the outcome of an order of a batch to the response."""
    if isinstance(outcome, Accepted):
        result = response.results.add()
        messages.write_accepted_summary(result.order, order, outcome)
        result.revision = messages.accepted_revision(outcome)
        response.accepted_count += 1
    else:
        response.results.add(error=to_status(outcome, over_rest=over_rest))


def own_order(
    request: orders_pb2.CreateOrderRequest, traceparent: str, until: float | None, operator: Origin | None
) -> NewOrder:
    """Return the order of a request. Raises InvalidRequest, and PermissionDenied for another customer's."""
    caller.current().own_customer_id(request.customer_id)
    return validation.new_order(request, traceparent, until, operator)


def result_cost(result: NewOrder | ServiceError) -> int:
    """Return what the result of an order costs to write, in items of an order."""
    return 1 + len(result.lines if isinstance(result, NewOrder) else result.violations)


def result_or_error(check: Callable[P, NewOrder], *args: P.args, **kwargs: P.kwargs) -> NewOrder | ServiceError:
    """Return the result of a check, or the error that it raises."""
    try:
        return check(*args, **kwargs)
    except ServiceError as error:
        return error
