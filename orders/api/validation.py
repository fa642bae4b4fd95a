"""Validates requests, and reports all violations of a request. Pure.

Written by hand: a generic validator takes 30 times as long.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from ordermesh.orders.v1.inventory_pb2 import CreateProductRequest, ListProductsRequest, RestockProductRequest
from ordermesh.orders.v1.orders_pb2 import (
    BatchCreateOrdersRequest,
    CreateOrderRequest,
    GetOrderRequest,
    ListOrdersRequest,
    OrderItem,
)

from orders.domain.fingerprints import fingerprint
from orders.domain.order import Line, NewOrder, Status
from runtime import timestamps
from runtime.audit.entries import Origin
from runtime.errors import MAX_VIOLATIONS, InvalidRequest, Violation
from runtime.grpc import field_rules

ITEMS = field_rules.rules(CreateOrderRequest, "items").items
MAX_ITEMS = ITEMS.max_items
MAX_TOTAL_MINOR = ITEMS.max_total_price * 100
BATCH = field_rules.rules(BatchCreateOrdersRequest, "requests").items
MAX_BATCH = BATCH.max_items
MAX_QUANTITY = field_rules.number(OrderItem, "quantity").maximum
MAX_PRICE = field_rules.number(OrderItem, "price").maximum
MAX_STOCK = field_rules.number(CreateProductRequest, "stock").maximum
PAGE_SIZE = field_rules.number(ListOrdersRequest, "page_size")
PRODUCTS_PAGE_SIZE = field_rules.number(ListProductsRequest, "page_size")
# "." and ".." are excluded since clients and proxies remove them from URLs (RFC 3986, 5.2.4).
PRODUCT_ID = field_rules.pattern(OrderItem, "product_id")
CUSTOMER_ID = field_rules.pattern(CreateOrderRequest, "customer_id")
REQUEST_ID = field_rules.pattern(CreateOrderRequest, "request_id")
ORDER_ID = field_rules.pattern(GetOrderRequest, "order_id")
NAME = field_rules.pattern(CreateProductRequest, "name")
PRODUCT_ID_RULE = field_rules.must_have(OrderItem, "product_id", "characters of A-Z a-z 0-9 . _ -, and not be . or ..")
CUSTOMER_ID_RULE = field_rules.must_have(CreateOrderRequest, "customer_id", "printable ASCII characters without spaces")
REQUEST_ID_RULE = field_rules.must_have(CreateOrderRequest, "request_id", "printable ASCII characters without spaces")
NAME_RULE = field_rules.must_have(
    CreateProductRequest, "name", "characters, no control characters, line separators or direction marks"
)


def batch(request: BatchCreateOrdersRequest) -> int:
    """Return the number of orders of a batch, whose items were counted before (orders.api.item_counts).

    Raises InvalidRequest for too many orders.
    """
    count = len(request.requests)
    if not 1 <= count <= MAX_BATCH:
        raise InvalidRequest([Violation("requests", f"must have 1 to {MAX_BATCH} orders, has {count}")])
    return count


def new_order(
    request: CreateOrderRequest, traceparent: str, deadline: float | None, operator: Origin | None = None
) -> NewOrder:
    """Return the order of a request. Raises InvalidRequest with all violations."""
    violations: list[Violation] = []
    if not CUSTOMER_ID.fullmatch(request.customer_id):
        violations.append(Violation("customer_id", CUSTOMER_ID_RULE))
    request_id = check_request_id(request.request_id, violations)
    lines = order_lines(request.items, violations)
    total_minor = units = 0
    for _, quantity, price_minor in lines:
        total_minor += quantity * price_minor
        units += quantity
    if total_minor > MAX_TOTAL_MINOR:
        total = f"{total_minor // 100}.{total_minor % 100:02}"
        violations.append(Violation("items", f"must have a total of at most {MAX_TOTAL_MINOR // 100}, has {total}"))
    if violations:
        raise InvalidRequest(violations)
    content = fingerprint(request) if request_id else b""
    return NewOrder(
        request.customer_id,
        lines,
        total_minor,
        units,
        request_id,
        traceparent,
        deadline,
        fingerprint=content,
        operator=operator,
    )


def check_request_id(request_id: str, violations: list[Violation]) -> str:
    """Return a request_id; appends its violations."""
    if request_id and not REQUEST_ID.fullmatch(request_id):
        violations.append(Violation("request_id", REQUEST_ID_RULE))
    return request_id


def order_lines(items: Sequence[OrderItem], violations: list[Violation]) -> tuple[Line, ...]:
    """Return the lines of items; appends their violations."""
    if not 1 <= len(items) <= MAX_ITEMS:
        violations.append(Violation("items", f"must have 1 to {MAX_ITEMS} items, has {len(items)}"))
        return ()
    lines = []
    for index, item in enumerate(items):
        # Reading a field of a message is as expensive as a comparison: each is read once.
        product_id, quantity, price = item.product_id, item.quantity, item.price
        price_minor = round(price * 100) if 0 <= price <= MAX_PRICE else -1
        if (
            price_minor < 0
            or price_minor / 100 != price
            or not 1 <= quantity <= MAX_QUANTITY
            or not PRODUCT_ID.fullmatch(product_id)
            or not item.HasField("price")
        ):
            violations.extend(item_violations(index, item))
            if len(violations) >= MAX_VIOLATIONS:
                del violations[MAX_VIOLATIONS:]
                break
        elif not price_minor:
            # Minus zero is the same price, also in responses and fingerprints.
            item.price = 0.0
        lines.append(Line(product_id, quantity, price_minor))
    return tuple(lines)


def item_violations(index: int, item: OrderItem) -> list[Violation]:
    """Return all violations of an item."""
    path = f"items[{index}]"
    found = []
    if not PRODUCT_ID.fullmatch(item.product_id):
        found.append(Violation(f"{path}.product_id", PRODUCT_ID_RULE))
    if not 1 <= item.quantity <= MAX_QUANTITY:
        found.append(Violation(f"{path}.quantity", f"must be 1 to {MAX_QUANTITY}, is {item.quantity}"))
    if not item.HasField("price"):
        found.append(Violation(f"{path}.price", "is required"))
    elif problem := price_violation(item.price):
        found.append(Violation(f"{path}.price", problem))
    return found


def price_violation(price: float) -> str | None:
    """Return the description of a violation of a price in major units, None for a valid price."""
    if not 0 <= price <= MAX_PRICE:
        return f"must be 0 to {MAX_PRICE}, is {json_number(price)}"
    if round(price * 100) / 100 != price:
        return f"must have at most two decimals, is {json_number(price)}"
    return None


def json_number(number: float) -> str:
    """Return the shortest JSON text of a number, with an exponent only for very large and very small ones."""
    text = json.dumps(number).removesuffix(".0")
    return f"{Decimal(text):f}" if "e" in text and 1e-7 <= abs(number) < 1e21 else text


def order_id(text: str, request_id: str = "") -> str:
    """Return an order id in canonical form. Raises InvalidRequest, also for a wrong request_id."""
    violations: list[Violation] = []
    if not ORDER_ID.fullmatch(text):
        violations.append(Violation("order_id", "must be a UUID such as 019a0000-0000-7000-8000-000000000000"))
    check_request_id(request_id, violations)
    if violations:
        raise InvalidRequest(violations)
    return text.lower()


def list_orders(request: ListOrdersRequest) -> int:
    """Check the filters of a list and return its page size. Raises InvalidRequest with all violations."""
    violations: list[Violation] = []
    if request.customer_id and not CUSTOMER_ID.fullmatch(request.customer_id):
        violations.append(Violation("customer_id", CUSTOMER_ID_RULE))
    if request.status not in Status.values():
        known = ", ".join(Status.keys()[1:])
        violations.append(Violation("status", f"must be one of {known}, is {request.status}"))
    size = PAGE_SIZE.checked(request.page_size, violations)
    for name in ("start_time", "end_time"):
        if request.HasField(name) and not timestamps.is_timestamp(getattr(request, name)):
            violations.append(Violation(name, timestamps.RULE))
    if violations:
        raise InvalidRequest(violations)
    return size


def product_id(text: str) -> str:
    """Return a product id. Raises InvalidRequest when it is malformed."""
    if not PRODUCT_ID.fullmatch(text):
        raise InvalidRequest([Violation("product_id", PRODUCT_ID_RULE)])
    return text


def create_product(request: CreateProductRequest) -> int:
    """Check a new product and return its price in minor units. Raises InvalidRequest with all violations."""
    violations: list[Violation] = []
    if not PRODUCT_ID.fullmatch(request.product_id):
        violations.append(Violation("product_id", PRODUCT_ID_RULE))
    if not NAME.fullmatch(request.name):
        violations.append(Violation("name", f"{NAME_RULE}, has {len(request.name)}"))
    problem = price_violation(request.price) if request.HasField("price") else "is required"
    if problem:
        violations.append(Violation("price", problem))
    if not 0 <= request.stock <= MAX_STOCK:
        violations.append(Violation("stock", f"must be 0 to {MAX_STOCK}, is {request.stock}"))
    elif request.stock and not request.tracked:
        violations.append(Violation("stock", "must be 0 unless tracked is true"))
    check_request_id(request.request_id, violations)
    if violations:
        raise InvalidRequest(violations)
    # Minus zero would change the fingerprint.
    request.price = abs(request.price)
    return round(request.price * 100)


def restock(request: RestockProductRequest) -> None:
    """Check a restock. Raises InvalidRequest with all violations."""
    violations: list[Violation] = []
    if not PRODUCT_ID.fullmatch(request.product_id):
        violations.append(Violation("product_id", PRODUCT_ID_RULE))
    if not 1 <= request.quantity <= MAX_STOCK:
        violations.append(Violation("quantity", f"must be 1 to {MAX_STOCK}, is {request.quantity}"))
    check_request_id(request.request_id, violations)
    if violations:
        raise InvalidRequest(violations)
