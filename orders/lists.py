"""Pages of orders, newest first, by the order of their ids."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.internal.v1.page_token_pb2 import PageToken
from ordermesh.orders.v1.orders_pb2 import ListOrdersRequest, Order
from psycopg_pool import AsyncConnectionPool

from orders import ids, validate
from orders.model import StoredOrder
from orders.sql import QUERIES
from orders.stored import from_row
from runtime import page_token


@dataclass(frozen=True, slots=True)
class Page:
    """Orders and the token of the next page, empty on the last."""

    orders: list[StoredOrder]
    next_page_token: str


async def page(pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], request: ListOrdersRequest) -> Page:
    """Return the page that a request asks for. Raises InvalidRequest."""
    size = validate.list_orders(request)
    filters = page_token.filters_hash(request)
    query = {
        (False, False): QUERIES.list_orders,
        (True, False): QUERIES.list_orders_of_customer,
        (False, True): QUERIES.list_orders_in_status,
        (True, True): QUERIES.list_orders_of_customer_in_status,
    }[bool(request.customer_id), bool(request.status)]
    parameters = {
        "customer_id": request.customer_id,
        "status": Order.Status.Name(request.status),
        "lowest": ids.lowest(microseconds(request.created_from)) if request.HasField("created_from") else ids.FIRST,
        "before": before(request, filters),
        "limit": size + 1,
    }
    async with pool.connection() as connection:
        found = await (await connection.execute(query, parameters)).fetchall()
    orders = [from_row(row) for row in found[:size]]
    return Page(orders, next_token(orders[-1], filters) if len(found) > size else "")


def before(request: ListOrdersRequest, filters: bytes) -> str:
    """Return the id that a page's orders come before."""
    if request.page_token:
        token = page_token.decode(request.page_token, filters)
        if len(token.order_id) != 16:
            raise page_token.invalid("is not a token of this service")
        return str(uuid.UUID(bytes=token.order_id))
    return ids.lowest(microseconds(request.created_before)) if request.HasField("created_before") else ids.LAST


def next_token(last: StoredOrder, filters: bytes) -> str:
    """Return the token of the page that follows an order."""
    order_id = uuid.UUID(last.order_id).bytes
    return page_token.encode(PageToken(created_at_us=last.created_at_us, order_id=order_id, filters_hash=filters))


def microseconds(time: Timestamp) -> int:
    """Return a time in microseconds since 1970, rounded up."""
    return time.seconds * 1_000_000 + -(-time.nanos // 1000)


def next_link(request: ListOrdersRequest, token: str) -> str:
    """Return the Link header that names the next page of GET /orders."""
    parameters: dict[str, str] = {}
    if request.customer_id:
        parameters["customerId"] = request.customer_id
    if request.status:
        parameters["status"] = Order.Status.Name(request.status)
    for field, name in (("created_from", "createdFrom"), ("created_before", "createdBefore")):
        if request.HasField(field):
            parameters[name] = getattr(request, field).ToJsonString()
    if request.page_size:
        parameters["pageSize"] = str(request.page_size)
    parameters["pageToken"] = token
    return f'</orders?{urlencode(parameters, quote_via=quote)}>; rel="next"'
