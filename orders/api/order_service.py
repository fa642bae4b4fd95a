"""Serves OrderService."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec

import grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from orders.api import messages, order_pages, validation
from orders.api.admission import Admission, time_remaining
from orders.api.idempotent_writes import Changes, Connection
from orders.api.read_admission import Reads
from orders.domain.order import CANCELLED, PAID, SHIPPED, Accepted, NewOrder, Status
from orders.stock.product_cache import Catalogue
from orders.store.order_idempotency import REPLAYED, Outcome
from orders.store.order_rows import fetch_order
from orders.store.queries import QUERIES
from orders.writes.group_commit import Writer
from orders.writes.status_transitions import Steps
from runtime.errors import InvalidRequest, ServiceError, Violation
from runtime.grpc import rest_field_names
from runtime.grpc.error_mapping import to_status
from runtime.telemetry import trace_context
from runtime.telemetry.logging import logger

Context = grpc.aio.ServicerContext[Any, Any]
P = ParamSpec("P")


class Orders(orders_pb2_grpc.OrderServiceServicer):
    """Takes orders and carries them through their states."""

    def __init__(
        self,
        reads: Reads,
        catalogue: Catalogue,
        writer: Writer,
        steps: Steps,
        admission: Admission,
        changes: Changes,
    ) -> None:
        self._reads = reads
        self._catalogue = catalogue
        self._writer = writer
        self._steps = steps
        self._admission = admission
        self._changes = changes

    async def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: Context) -> orders_pb2.Order:
        """Store one order and answer when it is durable."""
        remaining = time_remaining(context)
        with self._admission.admit(1, remaining):
            trace = trace_context.from_metadata(context.invocation_metadata())
            order = validation.new_order(request, trace.traceparent, deadline(remaining))
            await self._catalogue.know(order.lines)
            (outcome,) = await self._writer.submit([self._catalogue.checked(order)])
        if isinstance(outcome, ServiceError):
            raise outcome
        if outcome.replayed:
            await context.send_initial_metadata(REPLAYED)
        if trace.sampled:
            logger().info("order accepted", order_id=outcome.order_id, trace_id=trace.trace_id)
        return messages.accepted_message(order, outcome)

    async def BatchCreateOrders(
        self, request: orders_pb2.BatchCreateOrdersRequest, context: Context
    ) -> orders_pb2.BatchCreateOrdersResponse:
        """Store up to a thousand orders, each on its own."""
        count = len(request.requests)
        if not 1 <= count <= validation.MAX_BATCH:
            rule = f"must have 1 to {validation.MAX_BATCH} orders, has {count}"
            raise InvalidRequest([Violation("requests", rule)])
        remaining = time_remaining(context)
        with self._admission.admit(count, remaining):
            traceparent = trace_context.from_metadata(context.invocation_metadata()).traceparent
            until = deadline(remaining)
            valid = [or_error(validation.new_order, each, traceparent, until) for each in request.requests]
            await self._catalogue.know([line for each in valid if isinstance(each, NewOrder) for line in each.lines])
            checked = [
                or_error(self._catalogue.checked, each) if isinstance(each, NewOrder) else each for each in valid
            ]
            orders = [order for order in checked if isinstance(order, NewOrder)]
            outcomes = iter(await self._writer.submit(orders)) if orders else iter(())
        response = orders_pb2.BatchCreateOrdersResponse()
        over_rest = rest_field_names.over_rest(context.invocation_metadata())
        for each in checked:
            if isinstance(each, NewOrder):
                add_result(response, each, next(outcomes), over_rest)
            else:
                response.results.add(error=to_status(each, over_rest=over_rest))
        return response

    async def GetOrder(self, request: orders_pb2.GetOrderRequest, context: Context) -> orders_pb2.Order:
        """Return one order."""
        order_id = validation.order_id(request.order_id)
        async with self._reads.connection(1, context) as connection:
            return messages.order_message(await fetch_order(connection, QUERIES.get_order, order_id))

    async def StreamOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> AsyncIterator[orders_pb2.OrderSummary]:
        """Stream one page of summaries; the next page is named in the header "link"."""
        size = validation.list_orders(request)
        async with self._reads.connection(size, context) as connection:
            page = await order_pages.page(connection, request, size, count_lines=False)
        if page.next_page_token:
            await context.send_initial_metadata((("link", order_pages.next_link(request, page.next_page_token)),))
        for order in page.orders:
            yield messages.summary_message(order)

    async def ListOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> orders_pb2.ListOrdersResponse:
        """Return one page of orders."""
        size = validation.list_orders(request)
        async with self._reads.connection(size, context) as connection:
            page = await order_pages.page(connection, request, size, count_lines=True)
            orders = await order_pages.messages(connection, page.orders)
        return orders_pb2.ListOrdersResponse(orders=orders, next_page_token=page.next_page_token)

    async def CancelOrder(self, request: orders_pb2.CancelOrderRequest, context: Context) -> orders_pb2.Order:
        """Cancel an order."""
        return await self._move(request, CANCELLED, context)

    async def CompletePayment(self, request: orders_pb2.CompletePaymentRequest, context: Context) -> orders_pb2.Order:
        """Mark an order as paid."""
        return await self._move(request, PAID, context)

    async def ShipOrder(self, request: orders_pb2.ShipOrderRequest, context: Context) -> orders_pb2.Order:
        """Mark an order as shipped."""
        return await self._move(request, SHIPPED, context)

    async def _move(self, request: Any, target: Status, context: Context) -> orders_pb2.Order:
        order_id = validation.order_id(request.order_id, request.request_id)
        traceparent = trace_context.from_metadata(context.invocation_metadata()).traceparent

        async def step(connection: Connection) -> orders_pb2.Order:
            return messages.order_message(await self._steps.move(connection, order_id, target, traceparent))

        return await self._changes.make(request, order_id, context, orders_pb2.Order, step)


def deadline(remaining: float | None) -> float | None:
    """Return a deadline on time.monotonic()."""
    return None if remaining is None else time.monotonic() + remaining


def add_result(
    response: orders_pb2.BatchCreateOrdersResponse, order: NewOrder, outcome: Outcome, over_rest: bool
) -> None:
    """Add what became of one order of a batch to the answer."""
    if isinstance(outcome, Accepted):
        messages.write_accepted_summary(response.results.add().order, order, outcome)
        response.accepted_count += 1
    else:
        response.results.add(error=to_status(outcome, over_rest=over_rest))


def or_error(check: Callable[P, NewOrder], *args: P.args, **kwargs: P.kwargs) -> NewOrder | InvalidRequest:
    """Return what the check returns, or the error that it raises."""
    try:
        return check(*args, **kwargs)
    except InvalidRequest as error:
        return error
