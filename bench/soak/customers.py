"""Customers of a soak: they order, pay, cancel, restock, and send requests again, also those of days ago."""

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
# A request is known for seven days at least; the last hour is left out, since a day's load takes its time.
KNOWN_FOR = timedelta(days=7) - timedelta(hours=1)
UNTRIED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


class Sent(NamedTuple):
    """A request that was answered, and the order that it made."""

    request: orders_pb2.CreateOrderRequest
    order_id: str
    at: datetime


class Customers:
    """Sends a load at a rate; `done` counts what was acknowledged, `wrong` holds answers that should not be."""

    def __init__(self, address: str, seed: int) -> None:
        self._channel = grpc.insecure_channel(address)
        self._orders: Any = orders_pb2_grpc.OrderServiceStub(self._channel)
        self._inventory: Any = inventory_pb2_grpc.InventoryServiceStub(self._channel)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def open_shop(self) -> None:
        """Add the products whose stock is tracked."""
        for product_id in TRACKED:
            request = inventory_pb2.CreateProductRequest(
                product_id=product_id, name="soak", price=1, tracked=True, stock=20, request_id=str(uuid.uuid4())
            )
            self._ask(self._inventory.CreateProduct, request)

    def load(self, orders_per_second: float, seconds: float, now: datetime) -> None:
        """Block while orders are sent at a rate; `now` is the moved clock's time."""
        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(int(orders_per_second * seconds)):
                time.sleep(max(0.0, started + number / orders_per_second - time.monotonic()))
                pool.submit(self._guarded, number, now)

    def _guarded(self, number: int, now: datetime) -> None:
        try:
            self._one(number, now)
        except Exception as error:
            with self._lock:
                self.wrong.append(f"{type(error).__name__}: {error}"[:500])

    def _one(self, number: int, now: datetime) -> None:
        """Order something, do what a customer may do with it, and now and then send an earlier request again."""
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
            self._again(self._earlier(now))
        self._further(made.order_id, draw.random())
        if number % 40 == 0:
            self._restock(draw.choice(TRACKED))

    def _earlier(self, now: datetime) -> Sent:
        """Return a request of any time at which it is still known."""
        with self._lock:
            self._sent = [one for one in self._sent if now - one.at < KNOWN_FOR]
            return self._random.choice(self._sent)

    def _again(self, sent: Sent) -> None:
        """Send a request again, which must be answered with the order that it made."""
        made = self._ask(self._orders.CreateOrder, sent.request)
        with self._lock:
            self.done["repeated"] += 1
            if made.order_id != sent.order_id:
                self.wrong.append(f"request of {sent.at} made {sent.order_id} and again {made.order_id}")

    def _further(self, order_id: str, chance: float) -> None:
        """Pay and ship an order, or cancel it; one that waits for stock can only be cancelled."""
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
            self.wrong.append(f"restock released {first.released_orders}, and told again {again.released_orders}")

    def _ask(self, method: Any, request: Any) -> Any:
        """Call until it is answered, with the same request_id, and count it."""
        for attempt in range(RETRIES):
            try:
                answer = method(request, timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                if error.code() not in UNTRIED or attempt == RETRIES - 1:
                    raise
                with self._lock:
                    self.done["tried again"] += 1
                time.sleep(RETRY_SECONDS)
            else:
                with self._lock:
                    self.done[type(request).__name__.removesuffix("Request")] += 1
                return answer
        raise AssertionError("a loop that returns or raises")

    def orders_made(self) -> int:
        """Return how many orders there must be."""
        return self.done["CreateOrder"] - self.done["repeated"]

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
