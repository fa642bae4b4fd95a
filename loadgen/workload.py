"""The orders of a run: customers, products, quantities and prices from a seeded random generator, encoded.

Request ids do not depend on the seed: a repeated run creates new orders instead of replays.
"""

import random
import uuid
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ordermesh.orders.v1 import orders_pb2

ZIPF_EXPONENT = 1.1
LINES_PER_ORDER = (1, 1, 1, 1, 2, 2, 2, 3, 3, 5)
UNITS_PER_LINE = (1, 1, 1, 1, 1, 2, 2, 3, 4, 10)
LOWEST_PRICE_MINOR = 199
HIGHEST_PRICE_MINOR = 49_999


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order."""

    product_id: str
    quantity: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An order before it is encoded."""

    customer_id: str
    request_id: str
    lines: tuple[Line, ...]


@dataclass(slots=True)
class PlannedOrder:
    """An encoded order; `outcome_unknown` once an attempt ended without a definite outcome.

    A transport sets `order_id` when the order is acknowledged.
    """

    payload: bytes
    customer_id: str
    total_minor: int
    outcome_unknown: bool = False
    order_id: str = ""


Encoder = Callable[[Draft], bytes]


class Workload:
    """Generates orders; the same seed, customers and products give the same sequence."""

    def __init__(self, seed: int, customers: int, products: int, encode: Encoder) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test orders, nothing secret
        self._customers = customers
        self._encode = encode
        self._cumulative = list(accumulate(rank**-ZIPF_EXPONENT for rank in range(1, products + 1)))
        self._prices = [self._random.randint(LOWEST_PRICE_MINOR, HIGHEST_PRICE_MINOR) for _ in range(products)]
        self._request_ids = RequestIds()

    def draw(self) -> Draft:
        """Return the next order."""
        draw = self._random.random
        lines = tuple(self._draw_line() for _ in range(LINES_PER_ORDER[int(draw() * len(LINES_PER_ORDER))]))
        return Draft(f"cust-{int(draw() * self._customers) + 1}", self._request_ids.take(), lines)

    def plan(self) -> PlannedOrder:
        """Return the next order, encoded."""
        draft = self.draw()
        total_minor = sum(line.quantity * line.price_minor for line in draft.lines)
        return PlannedOrder(self._encode(draft), draft.customer_id, total_minor)

    def _draw_line(self) -> Line:
        draw = self._random.random
        product = bisect(self._cumulative, draw() * self._cumulative[-1], hi=len(self._cumulative) - 1)
        quantity = UNITS_PER_LINE[int(draw() * len(UNITS_PER_LINE))]
        return Line(f"p{product + 1}", quantity, self._prices[product])


class RequestIds:
    """Generates request ids with a random prefix and a counter, which is cheaper than a uuid4 each."""

    def __init__(self) -> None:
        self._prefix = str(uuid.uuid4())[:24]
        self._next = 0

    def take(self) -> str:
        """Return the next id."""
        self._next += 1
        return f"{self._prefix}{self._next:012x}"


def encode_json(draft: Draft) -> bytes:
    """Encode an order as the body of POST /orders."""
    items = ",".join(
        f'{{"productId":"{line.product_id}","quantity":{line.quantity},'
        f'"price":{line.price_minor // 100}.{line.price_minor % 100:02d}}}'
        for line in draft.lines
    )
    return f'{{"customerId":"{draft.customer_id}","requestId":"{draft.request_id}","items":[{items}]}}'.encode()


def encode_message(draft: Draft) -> bytes:
    """Encode an order as a CreateOrderRequest."""
    return _message(draft).SerializeToString()


def encode_batch_entry(draft: Draft) -> bytes:
    """Encode an order as a batch of one; concatenated, such batches form one batch of all orders."""
    return orders_pb2.BatchCreateOrdersRequest(requests=[_message(draft)]).SerializeToString()


def join_batch(orders: Sequence[PlannedOrder]) -> bytes:
    """Return the BatchCreateOrdersRequest of orders encoded by `encode_batch_entry`."""
    return b"".join([order.payload for order in orders])


def _message(draft: Draft) -> orders_pb2.CreateOrderRequest:
    items = [
        orders_pb2.OrderItem(product_id=line.product_id, quantity=line.quantity, price=line.price_minor / 100)
        for line in draft.lines
    ]
    return orders_pb2.CreateOrderRequest(customer_id=draft.customer_id, request_id=draft.request_id, items=items)
