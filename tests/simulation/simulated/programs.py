"""The processes of a run: clients with their orders service, publishers, workers, an operator. All run product code."""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from ordermesh.internal.v1.dead_letter_source_pb2 import ChangeSourceRequest, ListSourceRequest
from ordermesh.orders.v1 import orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from signed_tokens import tokens

from orders import publish
from orders.api.admission import Admission
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.order_service import OrderService
from orders.api.read_admission import ReadAdmission
from orders.domain.clock import DatabaseClock
from orders.domain.order import NewOrder, Outcome
from orders.outbox.dead_letter_source_service import DeadLetterSourceService
from orders.settings import PublisherSettings
from orders.stock.backorder_release import BackorderReleases
from orders.stock.product_cache import ProductCache
from orders.writes.batch_commit import BatchStore, Entry
from orders.writes.status_transitions import StatusTransitions
from orders.writes.writer_connection import WriterConnection
from processor.settings import WorkSettings
from processor.worker import Worker
from runtime.errors import FailedPrecondition, OutcomeUnknown, Overloaded, ServiceError, Unavailable
from runtime.grpc.error_mapping import as_service_error
from runtime.identity import caller
from runtime.telemetry.outage import Outage
from simulated.oracle import Request
from simulated.postgres.connection import Pool
from simulated.scheduler import StopEvent

if TYPE_CHECKING:
    from simulated.world import World

CUSTOMER = "customer:c"
METADATA = (("traceparent", f"00-{'a' * 32}-{'b' * 16}-00"), (caller.HEADER, CUSTOMER))
MAX_ATTEMPTS = 4
PRODUCTS = ["a", "b", "refused"]
# What clients ask for, of an order whose last known status this is.
NEXT = {Order.CREATED: ("CompletePayment", "CancelOrder"), Order.PAID: ("ShipOrder", "CancelOrder")}
TARGET = {"CompletePayment": Order.PAID, "ShipOrder": Order.SHIPPED, "CancelOrder": Order.CANCELLED}

T = TypeVar("T")


class Context:
    """A call's context."""

    def time_remaining(self) -> None:
        """Return that the call has no deadline."""

    def invocation_metadata(self) -> Any:
        """Return the metadata."""
        return METADATA

    async def send_initial_metadata(self, _: Any) -> None:
        """Do nothing."""


class DirectWriter:
    """In place of the group commit, which needs an event loop: stores the orders of a call by the same `BatchStore`."""

    def __init__(self, batches: BatchStore) -> None:
        self._batches = batches

    async def submit(self, orders: list[NewOrder]) -> list[Outcome | None]:
        """Store orders and return the outcome of each."""
        entries = [Entry(order) for order in orders]
        await self._batches.store(entries, tracked=False)
        return [entry.outcome for entry in entries]


class Nobody:
    """In place of the notifier: publishers see new events by themselves."""

    def notify(self) -> None:
        """Do nothing."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, since threads are switched instead."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the coroutine waits for something that the scheduler does not know")


def order_service(world: World) -> OrderService:
    """Assemble the service as orders.serve does; blocks until the database answers."""
    clock, pool = DatabaseClock(world.time.monotonic), Pool(world.connect_orders)
    products = ProductCache(pool)  # type: ignore[arg-type]
    products.tracked = dict.fromkeys(PRODUCTS, False)
    connection = WriterConnection("orders", "orders", clock, "none")
    while True:
        try:
            run(connection.get())
            break
        except psycopg.Error:
            world.scheduler.wait(None, 0.5)
    releases = BackorderReleases(clock)
    transitions = StatusTransitions(products, clock, releases)
    admission, notifier = Admission(100), Nobody()
    writes = IdempotentWrites(pool, admission, notifier, releases, 10)  # type: ignore[arg-type]
    writer = DirectWriter(BatchStore(connection, clock, "orders"))
    reads = ReadAdmission(pool, 10)  # type: ignore[arg-type]
    return OrderService(reads, products, writer, transitions, admission, writes, tokens())  # type: ignore[arg-type]


class Client:
    """A client that survives its service: what it has asked for, and what it was told."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self._number, self._calls = world, number, 0
        self._random: Random = world.scheduler.random

    def run(self) -> None:
        """Place orders and change them, until the run settles."""
        caller.set_current(caller.named(CUSTOMER))  # type: ignore[arg-type]
        service = order_service(self._world)
        while not self._world.settles:
            self._calls += 1
            known = [each for each in self._world.oracle.requests if each.order_id]
            if known and self._random.random() < 0.5:
                self._change(service, known[int(self._random.random() * len(known))])
            else:
                self._place(service)
            self._world.scheduler.wait(None, self._random.random() * 0.1)

    def _place(self, service: OrderService) -> None:
        request_id, total = f"{self._number}-{self._calls}", 100 * self._calls + self._number
        refused = self._world.faults.happens("refusals")
        request = Request(request_id, total, refused)
        self._world.oracle.requests.append(request)
        product = "refused" if refused else PRODUCTS[self._calls % 2]
        items = [orders_pb2.OrderItem(product_id=product, quantity=1, price=total / 100)]
        message = orders_pb2.CreateOrderRequest(customer_id="c", items=items, request_id=request_id)
        if (order := self._call(service.CreateOrder, message, request)) is not None:
            request.acknowledged_ids.add(order.order_id)
            request.statuses.add(order.status)

    def _change(self, service: OrderService, request: Request) -> None:
        names = NEXT.get(max(request.statuses), ())
        if not names:
            return
        name = names[int(self._random.random() * len(names))]
        fields = {"order_id": request.order_id, "request_id": f"{self._number}-{self._calls}"}
        message = getattr(orders_pb2, f"{name}Request")(**fields)
        order = self._call(getattr(service, name), message, request)
        if order is not None:
            request.statuses.add(TARGET[name])

    def _call(self, method: Any, message: Any, request: Request) -> Order | None:
        """Call until the outcome is known or the client loses its patience; return the order of an acknowledgement."""
        for _ in range(1 + int(self._random.random() * MAX_ATTEMPTS)):
            in_doubt, request.in_doubt = request.in_doubt, True
            try:
                order: Order = run(method(message, Context()))
            except (ServiceError, psycopg.Error) as error:
                told = as_service_error(error, "")
                if isinstance(told, FailedPrecondition):
                    request.in_doubt = in_doubt
                    return None
                assert isinstance(told, (Unavailable, Overloaded, OutcomeUnknown)), f"{request.request_id}: {told}"
                if not isinstance(told, OutcomeUnknown):
                    request.in_doubt = in_doubt
            else:
                request.in_doubt = in_doubt
                return order
            self._world.scheduler.wait(None, self._random.random())
        return None


def publisher(world: World) -> None:
    """Publish, with a new connection after each outage, as orders.publish.main does."""
    settings = PublisherSettings(
        orders_dsn="orders", publisher_shards=world.shards_per_publisher, publisher_batch_events=world.batch_events
    )
    stop, outage = StopEvent(world.scheduler), Outage("publishing")
    while True:
        try:
            publish.publish(settings, stop, outage)  # type: ignore[arg-type]
        except psycopg.Error as error:
            stop.wait(publish.BACKOFF.delay_seconds(outage.begins(error)))


def worker(world: World, index: int) -> None:
    """Count."""
    settings = WorkSettings(
        analytics_dsn="analytics", kafka_group_protocol=world.protocol, processor_batch_events=world.batch_events
    )
    Worker(settings, index, StopEvent(world.scheduler)).run()  # type: ignore[arg-type]


def operator(world: World) -> None:
    """Redrive DEAD events now and then."""
    desk = DeadLetterSourceService(Pool(world.connect_orders))  # type: ignore[arg-type]
    while True:
        world.scheduler.wait(None, 0.5 if world.settles else world.scheduler.random.random() * 20)
        try:
            found = run(desk.ListSource(ListSourceRequest(limit=100), None)).dead_letters  # type: ignore[arg-type]
            if ids := [one.dead_letter_id for one in found]:
                run(desk.RedriveSource(ChangeSourceRequest(dead_letter_ids=ids), None))  # type: ignore[arg-type]
        except psycopg.Error:
            continue
