"""Reads pages of orders, newest first, which is by descending id."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, LiteralString
from urllib.parse import quote, urlencode

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest, Order

from orders.api.messages import order_message
from orders.domain import ids
from orders.store.order_rows import OrderSummaryRow, stored_order
from orders.store.queries import QUERIES
from runtime.batched import batched
from runtime.postgres import arrays
from runtime.postgres.connection_types import AsyncConnection
from runtime.tokens.page_token import PageTokens

# About half a megabyte of protobuf, or one of JSON. An order has up to a thousand lines.
MAX_PAGE_LINES = 5_000
# Counting the lines of long orders dominates the cost of a query, so a page is read in slices.
SLICE_ORDERS = 64
# Building the messages of this many long orders blocks the event loop for about ten milliseconds.
MESSAGES_PER_YIELD = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a page, and the token of the next page, empty on the last one."""

    orders: list[OrderSummaryRow]
    next_page_token: str


async def page(
    connection: AsyncConnection, request: ListOrdersRequest, size: int, tokens: PageTokens, *, count_lines: bool
) -> Page:
    """Return the page of a request; with `count_lines` it has at most MAX_PAGE_LINES lines. Raises InvalidRequest."""
    query, parameters = page_query(request)
    parameters |= {"before": upper_bound(request, tokens), "count_lines": count_lines}
    found: list[OrderSummaryRow] = []
    full = False
    while not full:
        parameters["limit"] = limit = min(size + 1 - len(found), SLICE_ORDERS)
        rows = await (await connection.execute(query, parameters)).fetchall()
        found += [OrderSummaryRow(*row) for row in rows]
        full = len(rows) < limit or len(found) > size or sum(order.line_count for order in found) > MAX_PAGE_LINES
        parameters["before"] = found[-1].order_id if found else ""
    fitting = found[: min(size, count_fitting(found))]
    return Page(fitting, tokens.encode(position(fitting[-1]), request) if len(fitting) < len(found) else "")


def count_fitting(found: Sequence[OrderSummaryRow]) -> int:
    """Return how many of the orders fit into MAX_PAGE_LINES; the first one always does."""
    totals = accumulate(order.line_count for order in found)
    return max(1, sum(lines <= MAX_PAGE_LINES for lines in totals))


def page_query(request: ListOrdersRequest) -> tuple[LiteralString, dict[str, Any]]:
    """Return the query for the filters of a request, and its parameters."""
    query = {
        (False, False): QUERIES.list_orders,
        (True, False): QUERIES.list_orders_of_customer,
        (False, True): QUERIES.list_orders_in_status,
        (True, True): QUERIES.list_orders_of_customer_in_status,
    }[bool(request.customer_id), bool(request.status)]
    return query, {
        "customer_id": request.customer_id,
        "status": Order.Status.Name(request.status),
        "lowest": ids.lowest(microseconds(request.start_time)) if request.HasField("start_time") else ids.FIRST,
    }


async def order_messages(connection: AsyncConnection, summaries: Sequence[OrderSummaryRow]) -> list[Order]:
    """Return the orders of a page with their lines; yields to other tasks in between."""
    parameters = {"order_ids": arrays.plain([order.order_id for order in summaries])}
    rows = await (await connection.execute(QUERIES.get_orders, parameters)).fetchall() if summaries else []
    made = []
    for some in batched(rows, MESSAGES_PER_YIELD):
        made += [order_message(stored_order(row)) for row in some]
        await asyncio.sleep(0)
    return made


def upper_bound(request: ListOrdersRequest, tokens: PageTokens) -> str:
    """Return the id that all orders of the page are below. Raises InvalidRequest for a wrong token."""
    if request.page_token:
        return str(uuid.UUID(bytes=tokens.decode(request.page_token, request).order_id))
    return ids.lowest(microseconds(request.end_time)) if request.HasField("end_time") else ids.LAST


def position(last: OrderSummaryRow) -> PageToken:
    """Return the content of the token of the page that begins after an order."""
    return PageToken(created_at_us=last.created_at_us, order_id=uuid.UUID(last.order_id).bytes)


def microseconds(time: Timestamp) -> int:
    """Return a time in microseconds since 1970, rounded up."""
    return time.seconds * 1_000_000 + -(-time.nanos // 1000)


def next_link(request: ListOrdersRequest, token: str) -> str:
    """Return the value of the Link header with the next page of GET /orders."""
    parameters: dict[str, str] = {}
    if request.customer_id:
        parameters["customerId"] = request.customer_id
    if request.status:
        parameters["status"] = Order.Status.Name(request.status)
    for field, name in (("start_time", "startTime"), ("end_time", "endTime")):
        if request.HasField(field):
            parameters[name] = getattr(request, field).ToJsonString()
    if request.page_size:
        parameters["pageSize"] = str(request.page_size)
    parameters["pageToken"] = token
    return f'</orders?{urlencode(parameters, quote_via=quote)}>; rel="next"'
