"""Customers: they order, pay, ship, cancel, restock and repeat requests at a fixed rate, and keep the journal."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import grpc
import uvloop
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc

from faults.load.bystander import Bystander
from faults.load.journal import CANCEL, CREATE, PAY, RESTOCK, SHIP, Call, Journal
from loadgen.transports.answers import Outcome, classify_call

RATE_PER_SECOND = 50.0
MOST_OPEN = 250
# Of one attempt. Patient clients go on for longer than any outage; others are content with one attempt.
ATTEMPT_SECONDS = 5.0
PATIENT_SECONDS = 120.0
PATIENT_SHARE = 0.8
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
RESTOCK_EVERY = 20
TRACKED: Mapping[str, int] = {f"fault-{number}": 20 for number in range(5)}
# A client that is told of a lost connection comes back soon.
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
# After these another attempt makes sense, as it does after every answer whose outcome is unknown.
TRANSIENT = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")


class Customers:
    """Clients in a thread of their own; `start` and `stop` as often as wanted, one journal."""

    def __init__(self, front: str, seed: int, rate: float = RATE_PER_SECOND) -> None:
        self.journal = Journal()
        self.rate = rate
        self._front = front
        self._random = random.Random(seed)  # a load, which a seed repeats
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._open = 0

    def create_products(self) -> None:
        """Create the products with tracked stock. Raises grpc.RpcError."""
        with grpc.insecure_channel(self._front, CHANNEL_OPTIONS) as channel:
            stub: Any = inventory_pb2_grpc.InventoryServiceStub(channel)
            for product_id, stock in TRACKED.items():
                stub.CreateProduct(
                    inventory_pb2.CreateProductRequest(
                        product_id=product_id, name=product_id, price=1, tracked=True, stock=stock
                    ),
                    timeout=ATTEMPT_SECONDS,
                    wait_for_ready=True,
                )

    def start(self) -> None:
        """Start sending; returns at once."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="customers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending and wait until every call has ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @contextlib.contextmanager
    def at_rate(self, factor: float) -> Iterator[None]:
        """Send faster within the block."""
        self.rate *= factor
        try:
            yield
        finally:
            self.rate /= factor

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._send())

    async def _send(self) -> None:
        async with (
            grpc.aio.insecure_channel(self._front, CHANNEL_OPTIONS) as channel,
            asyncio.TaskGroup() as journeys,
        ):
            session = Session(channel, self.journal, self._random)
            bystander = journeys.create_task(Bystander(f"http://{self._front}", self.journal).run(self._stopping))
            due, number = time.monotonic(), 0
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due, number = due + 1 / self.rate, number + 1
                if self._open < MOST_OPEN:
                    journeys.create_task(self._counted(session.journey(number)))
                else:
                    self.journal.not_sent += 1
            await bystander

    async def _counted(self, journey: Coroutine[Any, Any, None]) -> None:
        self._open += 1
        try:
            await journey
        finally:
            self._open -= 1


class Session:
    """What customers do over one channel."""

    def __init__(self, channel: grpc.aio.Channel, journal: Journal, draw: random.Random) -> None:
        orders: Any = orders_pb2_grpc.OrderServiceStub(channel)
        inventory: Any = inventory_pb2_grpc.InventoryServiceStub(channel)
        self._methods: Mapping[str, Callable[..., Any]] = {
            CREATE: orders.CreateOrder,
            PAY: orders.CompletePayment,
            SHIP: orders.ShipOrder,
            CANCEL: orders.CancelOrder,
            RESTOCK: inventory.RestockProduct,
        }
        self._journal = journal
        self._draw = draw

    async def journey(self, number: int) -> None:
        """Create an order and change it at random; sometimes repeat the request, sometimes restock."""
        draw = self._draw
        if number % RESTOCK_EVERY == 0:
            await self._restock()
        made = await self.ask(CREATE, self.order())
        if draw.random() < 0.1:
            await self._repeat(made)
        if not made.accepted:
            return
        chance = draw.random()
        if chance < 0.05:
            # At once: one of them may be refused, never half done.
            await asyncio.gather(self._change(PAY, made.order_id), self._change(CANCEL, made.order_id))
        elif chance < 0.6:
            paid = await self._change(PAY, made.order_id)
            if paid.accepted and chance < 0.3:
                await self._change(SHIP, made.order_id)
        elif chance > 0.9:
            await self._change(CANCEL, made.order_id)

    def order(self) -> orders_pb2.CreateOrderRequest:
        """Return a new order of one to three lines, every fifth with a tracked product."""
        draw = self._draw
        names = {draw.choice(list(TRACKED)) if draw.random() < 0.2 else f"p{draw.randint(1, 40)}"}
        names |= {f"p{draw.randint(41, 99)}" for _ in range(draw.randint(0, 2))}
        items = [
            orders_pb2.OrderItem(product_id=name, quantity=draw.randint(1, 3), price=draw.randint(1, 900) / 4)
            for name in sorted(names)
        ]
        customer = f"cust-{draw.randint(1, 500)}"
        return orders_pb2.CreateOrderRequest(customer_id=customer, items=items, request_id=str(uuid.uuid4()))

    async def ask(self, method: str, request: Any, *, patient: bool | None = None) -> Call:
        """Call, and again with the same request id while that makes sense; return the entry of the journal."""
        if patient is None:
            patient = self._draw.random() < PATIENT_SHARE
        call = self._journal.begin(Call(method, request, time.monotonic()))
        call.order_id = getattr(request, "order_id", "")
        unclear = False
        pause = FIRST_PAUSE_SECONDS
        while True:
            call.attempts += 1
            try:
                answer = await self._methods[method](request, timeout=ATTEMPT_SECONDS)
            except grpc.aio.AioRpcError as error:
                found = classify_call(error)
                unclear |= found.outcome is Outcome.UNKNOWN
                call.refusals.append(found.kind)
                call.kind, call.outcome = found.kind, Outcome.UNKNOWN if unclear else Outcome.REFUSED
                transient = found.kind.startswith(TRANSIENT) or found.outcome is Outcome.UNKNOWN
                if not (patient and transient) or time.monotonic() > call.started_at + PATIENT_SECONDS:
                    break
                await asyncio.sleep(pause * (0.5 + self._draw.random()))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                call.outcome, call.kind = Outcome.ACCEPTED, "accepted"
                call.order_id = getattr(answer, "order_id", call.order_id)
                break
        call.ended_at = time.monotonic()
        return call

    async def abandon(self, timeout_seconds: float) -> None:
        """Create an order with a deadline that is too short, or cancel the call after that time."""
        call = self._journal.begin(Call(CREATE, self.order(), time.monotonic(), kind="abandoned", attempts=1))
        try:
            if self._draw.random() < 0.5:
                answer = await self._methods[CREATE](call.request, timeout=timeout_seconds)
            else:
                answer = await asyncio.wait_for(self._methods[CREATE](call.request), timeout_seconds)
        except grpc.aio.AioRpcError as error:
            found = classify_call(error)
            call.outcome, call.kind = found.outcome, found.kind
        except TimeoutError:
            call.kind = "cancelled"
        else:
            call.outcome, call.kind, call.order_id = Outcome.ACCEPTED, "accepted", answer.order_id
        call.ended_at = time.monotonic()

    async def _repeat(self, first: Call) -> None:
        """Repeat a request, which must have the same answer."""
        again = await self.ask(CREATE, first.request, patient=True)
        if first.accepted and again.accepted and first.order_id != again.order_id:
            self._journal.contradiction(
                f"request {first.request_id} created {first.order_id}, repeated it created {again.order_id}"
            )

    async def _change(self, method: str, order_id: str) -> Call:
        requests = {
            PAY: orders_pb2.CompletePaymentRequest,
            SHIP: orders_pb2.ShipOrderRequest,
            CANCEL: orders_pb2.CancelOrderRequest,
        }
        return await self.ask(method, requests[method](order_id=order_id, request_id=str(uuid.uuid4())))

    async def _restock(self) -> None:
        draw = self._draw
        request = inventory_pb2.RestockProductRequest(
            product_id=draw.choice(list(TRACKED)), quantity=draw.randint(3, 12), request_id=str(uuid.uuid4())
        )
        await self.ask(RESTOCK, request)
        if draw.random() < 0.3:
            await self.ask(RESTOCK, request)


def at_once(front: str, work: Callable[[Session], Coroutine[Any, Any, None]], journal: Journal, seed: int) -> None:
    """Run a client of its own to its end, with the same journal."""

    async def run() -> None:
        async with grpc.aio.insecure_channel(front, CHANNEL_OPTIONS) as channel:
            await work(Session(channel, journal, random.Random(seed)))  # a load, which a seed repeats

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, contextlib.suppress(asyncio.CancelledError):
        runner.run(run())
