"""The clients of a soak test: they order, pay, cancel, restock, and repeat requests, also those of earlier days."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import grpc
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc

CALL_SECONDS = 30
RETRIES = 20
RETRY_SECONDS = 0.3
THREADS = 8
TRACKED = [f"soak-{number}" for number in range(5)]
# Request ids are kept for at least seven days; one hour less, because the load of a day takes time.
REPLAY_WINDOW = timedelta(days=7) - timedelta(hours=1)
RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


class Sent(NamedTuple):
    """An answered request and the order that it created."""

    request: orders_pb2.CreateOrderRequest
    order_id: str
    at: datetime


class Customers:
    """Sends a load at a rate; `done` counts acknowledged calls, `wrong` has unexpected answers."""

    def __init__(self, channel: grpc.Channel, seed: int) -> None:
        self._channel = channel
        self._orders: Any = orders_pb2_grpc.OrderServiceStub(self._channel)
        self._inventory: Any = inventory_pb2_grpc.InventoryServiceStub(self._channel)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def create_products(self) -> None:
        """Create the products with tracked stock."""
        for product_id in TRACKED:
            request = inventory_pb2.CreateProductRequest(
                product_id=product_id, name="soak", price=1, tracked=True, stock=20, request_id=str(uuid.uuid4())
            )
            self._ask(self._inventory.CreateProduct, request)

    def load(self, orders_per_second: float, seconds: float, now: datetime) -> None:
        """Send orders at a rate; `now` is the time of the moved clock."""
        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(int(orders_per_second * seconds)):
                time.sleep(max(0.0, started + number / orders_per_second - time.monotonic()))
                pool.submit(self._record_errors, number, now)

    def _record_errors(self, number: int, now: datetime) -> None:
        try:
            self._order(number, now)
        except Exception as error:
            with self._lock:
                self.wrong.append(f"{type(error).__name__}: {error}"[:500])

    def _order(self, number: int, now: datetime) -> None:
        """Create an order, change it at random, and sometimes repeat an earlier request."""
        draw = self._random
        product = draw.choice(TRACKED) if draw.random() < 0.2 else f"p{draw.randint(1, 99)}"
        item = orders_pb2.OrderItem(product_id=product, quantity=draw.randint(1, 3), price=draw.randint(1, 900) / 4)
        request = orders_pb2.CreateOrderRequest(
            customer_id=f"cust-{draw.randint(1, 500)}", items=[item], request_id=str(uuid.uuid4())
        )
        made = self._ask(self._orders.CreateOrder, request)
        with self._lock:
            self._sent.append(Sent(request, made.order_id, now))
        if draw.random() < 0.1:
            self._repeat(self._earlier_request(now))
        self._change(made.order_id, draw.random())
        if number % 40 == 0:
            self._restock(draw.choice(TRACKED))

    def _earlier_request(self, now: datetime) -> Sent:
        """Return a random request within the replay window."""
        with self._lock:
            self._sent = [one for one in self._sent if now - one.at < REPLAY_WINDOW]
            return self._random.choice(self._sent)

    def _repeat(self, sent: Sent) -> None:
        """Repeat a request, which must be answered with the same order."""
        made = self._ask(self._orders.CreateOrder, sent.request)
        with self._lock:
            self.done["repeated"] += 1
            if made.order_id != sent.order_id:
                self.wrong.append(f"request of {sent.at} created {sent.order_id}, repeated it created {made.order_id}")

    def _change(self, order_id: str, chance: float) -> None:
        """Pay and ship an order, or cancel it; a backorder can only be cancelled."""
        steps = {"pay": chance < 0.5, "ship": chance < 0.2, "cancel": chance > 0.85}
        calls = {
            "pay": (self._orders.CompletePayment, orders_pb2.CompletePaymentRequest),
            "ship": (self._orders.ShipOrder, orders_pb2.ShipOrderRequest),
            "cancel": (self._orders.CancelOrder, orders_pb2.CancelOrderRequest),
        }
        for step, wanted in steps.items():
            if wanted:
                method, message = calls[step]
                try:
                    self._ask(method, message(order_id=order_id, request_id=str(uuid.uuid4())))
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                        raise
                    return

    def _restock(self, product_id: str) -> None:
        request = inventory_pb2.RestockProductRequest(
            product_id=product_id, quantity=self._random.randint(5, 30), request_id=str(uuid.uuid4())
        )
        first = self._ask(self._inventory.RestockProduct, request)
        again = self._ask(self._inventory.RestockProduct, request)
        if first.released_orders != again.released_orders:
            self.wrong.append(f"restock released {first.released_orders}, repeated {again.released_orders}")

    def _ask(self, method: Any, request: Any) -> Any:
        """Call with retries and the same request_id, and count the call."""
        for attempt in range(RETRIES):
            try:
                answer = method(request, timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                if error.code() not in RETRYABLE or attempt == RETRIES - 1:
                    raise
                with self._lock:
                    self.done["retried"] += 1
                time.sleep(RETRY_SECONDS)
            else:
                with self._lock:
                    self.done[type(request).__name__.removesuffix("Request")] += 1
                return answer
        raise AssertionError("the loop returns or raises")

    def orders_created(self) -> int:
        """Return the number of orders that must exist."""
        return self.done["CreateOrder"] - self.done["repeated"]

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
