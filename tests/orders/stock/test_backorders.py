"""Orders and stock on a real database against a second implementation of docs/decisions/0012-waiting-for-stock.md."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.orders.v1 import orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from orders_world import World
from structlog.testing import capture_logs
from waiting import await_true, until_true

from orders.stock import release_sweep

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
HOUR_SECONDS = 3600
# The call for each status, the event that reports it, and the statuses from which it is allowed.
CHANGES = {
    "PAID": ("CompletePayment", "PAYMENT_COMPLETED", {"CREATED"}),
    "SHIPPED": ("ShipOrder", "ORDER_SHIPPED", {"PAID"}),
    "CANCELLED": ("CancelOrder", "ORDER_CANCELLED", {"CREATED", "PENDING_RESTOCK", "PAID"}),
}


@dataclass
class Place:
    """A backorder of the model: its needs, and the number of arrivals of each product before it was queued."""

    name: int
    needs: dict[str, int]
    before: dict[str, int]


@dataclass
class Page:
    """The documented rules, implemented with a list as the queue."""

    on_hand: dict[str, int]
    arrivals: dict[str, int]
    arrived_seconds: dict[str, int]
    now_seconds: int = 0
    queue: list[Place] = field(default_factory=list)
    needs: dict[int, dict[str, int]] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)
    events: dict[int, list[str]] = field(default_factory=dict)

    def holds(self, place: Place, held: dict[str, int]) -> bool:
        """Rules 3 and 4, for what it lacks besides the holds of earlier backorders."""
        lacks = [p for p, need in place.needs.items() if self.on_hand[p] - held.get(p, 0) < need]
        return bool(lacks) and all(
            self.arrivals[p] - place.before[p] >= 3 and self.now_seconds - self.arrived_seconds[p] < HOUR_SECONDS
            for p in lacks
        )

    def held(self, place: Place | None) -> dict[str, int]:
        """Return what the first holder of each product before a position holds."""
        held: dict[str, int] = {}
        for other in self.queue[: self.queue.index(place)] if place else self.queue:
            if self.holds(other, held):
                held = other.needs | held
        return held

    def fits(self, needs: dict[str, int], place: Place | None = None) -> bool:
        held = self.held(place)
        return all(self.on_hand[product] - held.get(product, 0) >= need for product, need in needs.items())

    def order(self, name: int, needs: dict[str, int]) -> None:
        self.needs[name], self.events[name] = needs, ["ORDER_CREATED"]
        if self.fits(needs):
            self.take(name)
        else:
            self.statuses[name] = "PENDING_RESTOCK"
            self.queue.append(Place(name, needs, {product: self.arrivals[product] for product in needs}))

    def take(self, name: int) -> None:
        for product, need in self.needs[name].items():
            self.on_hand[product] -= need
        self.statuses[name] = "CREATED"

    def arrive(self, units: dict[str, int]) -> None:
        for product, count in units.items():
            self.on_hand[product] += count
            self.arrivals[product] += 1
            self.arrived_seconds[product] = self.now_seconds
        self.look()

    def look(self) -> None:
        """Rule 2, until no backorder is left that can be allocated as a whole."""
        while fitting := next((place for place in self.queue if self.fits(place.needs, place)), None):
            self.queue.remove(fitting)
            self.take(fitting.name)
            self.events[fitting.name].append("STOCK_ALLOCATED")

    def change(self, name: int, status: str) -> bool:
        """Change the status; return False when that is not allowed."""
        before = self.statuses[name]
        _, event, allowed = CHANGES[status]
        if before == status or before not in allowed:
            return before == status
        self.statuses[name] = status
        self.events[name].append(event)
        if status == "CANCELLED":
            self.queue = [place for place in self.queue if place.name != name]
            if before == "PENDING_RESTOCK":
                self.look()
            else:
                self.arrive(self.needs[name])
        return True


PRODUCTS = ["a", "b"]
FIRST_STOCK = 2
# Large backorders get holds only when restocks are small and frequent.
NEEDS = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 8), min_size=1)
PRODUCT, UNITS = st.sampled_from(PRODUCTS), st.integers(1, 2)
# Failing examples are not shrunk, which would take minutes.
EXAMPLES = settings(
    max_examples=8,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
AS_NEW = "TRUNCATE backorder, orders, order_request, event_outbox"
# Hours pass by making the times in the database older.
PASS = (
    "UPDATE product SET arrived_at = arrived_at - %s * interval '1 second',"
    " held_until = held_until - %s * interval '1 second'"
)


@dataclass
class Shop:
    """The same operations through the services."""

    world: World
    owner: psycopg.Connection
    made: dict[int, str] = field(default_factory=dict)

    async def begin(self) -> Page:
        self.owner.execute(AS_NEW)
        self.owner.execute("DELETE FROM product WHERE product_id = ANY(%s)", (PRODUCTS,))
        for product in PRODUCTS:
            await self.world.tracked(product, FIRST_STOCK)
        return Page(dict.fromkeys(PRODUCTS, FIRST_STOCK), dict.fromkeys(PRODUCTS, 0), dict.fromkeys(PRODUCTS, 0))

    async def order(self, name: int, needs: dict[str, int]) -> str:
        items = ((product, need, 1) for product, need in needs.items())
        return (await self.world.create(*items, request_id=f"request-{name}")).order_id

    async def change(self, name: int, status: str) -> bool:
        method = CHANGES[status][0]
        request = getattr(orders_pb2, f"{method}Request")(order_id=self.made[name])
        try:
            changed = await getattr(self.world.service, method)(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
            return False
        assert Order.Status.Name(changed.status) == status
        return True

    async def pass_time(self, seconds: int) -> None:
        self.owner.execute(PASS, (seconds, seconds))
        # The sweep does this every second.
        while await self.world.sweep.run_once():
            pass

    def settled(self) -> bool:
        """Return whether the sweep has finished the scheduled releases."""
        return not self.owner.execute("SELECT FROM product WHERE release_from IS NOT NULL").fetchall()

    def check(self, page: Page) -> None:
        found = self.owner.execute("SELECT order_id::text, status::text FROM orders").fetchall()
        assert dict(found) == {self.made[name]: status for name, status in page.statuses.items()}
        queue = self.owner.execute("SELECT order_id::text FROM backorder GROUP BY 1 ORDER BY min(position)")
        assert [order_id for (order_id,) in queue] == [self.made[place.name] for place in page.queue]
        stock = self.owner.execute(
            "SELECT product_id, stock, awaited FROM product WHERE product_id = ANY(%s)", (PRODUCTS,)
        )
        assert {product: (on_hand, awaited) for product, on_hand, awaited in stock} == {
            product: (page.on_hand[product], sum(place.needs.get(product, 0) for place in page.queue))
            for product in PRODUCTS
        }

        self.check_events(page)

    def check_events(self, page: Page) -> None:
        """Every event of every order once, in sequence."""
        found: dict[str, list[tuple[str, int]]] = {}
        for key, payload in self.owner.execute(
            "SELECT key, payload FROM event_outbox WHERE event_type < 16 ORDER BY id"
        ):
            event = OrderEvent.FromString(payload)
            found.setdefault(key, []).append(((event.WhichOneof("payload") or "").upper(), event.sequence))
        assert found == {
            self.made[name]: [(kind, n + 1) for n, kind in enumerate(wanted)] for name, wanted in page.events.items()
        }


class OrdersAndStock(RuleBasedStateMachine):
    """Does the same to the services and to the page; it runs in a thread beside the loop of the services."""

    names = Bundle("names")
    shop: Shop
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.shop.made.clear()
        self.page = self.do(self.shop.begin())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @rule(target=names, needs=NEEDS)
    def order(self, needs: dict[str, int]) -> int:
        name = len(self.page.needs)
        self.page.order(name, needs)
        self.shop.made[name] = self.do(self.shop.order(name, needs))
        return name

    @rule(name=names)
    def repeat_the_request(self, name: int) -> None:
        assert self.do(self.shop.order(name, self.page.needs[name])) == self.shop.made[name]

    @rule(product=PRODUCT, units=UNITS)
    def restock(self, product: str, units: int) -> None:
        self.page.arrive({product: units})
        self.do(self.shop.world.restock(product, units))

    @rule(product=PRODUCT, first=UNITS, second=UNITS)
    def restock_twice(self, product: str, first: int, second: int) -> None:
        self.restock(product, first)
        self.services_and_page_agree()
        self.restock(product, second)

    @rule(name=names, status=st.sampled_from([*CHANGES, "PAID"]))
    def change(self, name: int, status: str) -> None:
        assert self.page.change(name, status) == self.do(self.shop.change(name, status))

    @rule(seconds=st.sampled_from([HOUR_SECONDS // 2, HOUR_SECONDS + 60]))
    def pass_time(self, seconds: int) -> None:
        self.page.now_seconds += seconds
        self.page.look()
        self.do(self.shop.pass_time(seconds))

    @invariant()
    def services_and_page_agree(self) -> None:
        await_true(self.shop.settled, "every release has ended")
        self.shop.check(self.page)


async def test_allocations_agree_with_the_documented_rules(world: World, owner: psycopg.Connection) -> None:
    bound = {"shop": Shop(world, owner), "loop": asyncio.get_running_loop()}
    machine = type("OrdersAndStock", (OrdersAndStock,), bound)
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=EXAMPLES)


async def test_an_order_that_lacks_a_product_does_not_block_its_other_products(world: World) -> None:
    await world.tracked("a", 45)
    await world.tracked("b", 0)
    for _ in range(10):
        assert (await world.create(("a", 5, 1), ("b", 1, 1))).status == Order.PENDING_RESTOCK
    for _ in range(45):
        assert (await world.create(("a", 1, 1))).status == Order.CREATED
    assert await world.stock("a") == (0, 50)


async def test_a_large_backorder_is_released_though_small_orders_compete_for_each_restock(world: World) -> None:
    await world.tracked("a", 0)
    await world.tracked("b", 0)
    large = await world.create(("a", 10, 1), ("b", 10, 1))
    request = orders_pb2.GetOrderRequest(order_id=large.order_id)
    for _ in range(13):
        assert (await world.service.GetOrder(request)).status == Order.PENDING_RESTOCK
        for product in ("a", "b"):
            await world.restock(product, 1)
            await world.create((product, 1, 1))
    # Three restocks of a and two of b went to other orders, until each product was restocked three times.
    assert (await world.service.GetOrder(request)).status == Order.CREATED


async def test_backorders_are_released_in_queue_order_after_the_clock_went_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.tracked("t", 0)
    first = await world.create(("t", 1, 1))
    now_us = world.clock.now_us()
    monkeypatch.setattr("orders.domain.clock.DatabaseClock.now_us", lambda *_: now_us - 3_600_000_000)
    second = await world.create(("t", 1, 1))
    assert second.order_id < first.order_id
    assert await world.restock("t", 1) == 1
    waiting = await world.rows("SELECT order_id::text FROM backorder")
    assert waiting == [(second.order_id,)]


async def test_a_product_whose_release_fails_is_deferred_and_delays_no_other(
    world: World, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = ["a", "b", "c", "d"]
    for product in products:
        await world.tracked(product, 0)
        await world.create((product, 1, 1))
    tries: list[list[str]] = []
    real = world.releases.continue_release

    async def fails_for_two(connection: object, product_ids: list[str], *rest: object) -> object:
        tries.append(product_ids)
        if set(product_ids) & {"a", "b"}:
            raise ValueError("broken")
        return await real(connection, product_ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(world.releases, "continue_release", fails_for_two)
    monkeypatch.setattr(release_sweep, "SWEEP_SECONDS", 0.001)
    # The state after a process ended right after a restock.
    owner.execute("UPDATE product SET stock = 1, release_from = 0 WHERE product_id = ANY(%s)", (products,))

    async def released() -> bool:
        both = await world.stock("d") == await world.stock("c") == (0, 0)
        return both and len(world.sweep._deferrals) >= 2

    await until_true(released, "both releases are deferred")
    assert set(world.sweep._deferrals) == {"a", "b"}
    # The backoff is a second: each was tried once on its own, however often the sweep ran.
    assert (tries.count(["a"]), tries.count(["b"])) == (1, 1)


async def test_a_backorder_that_cannot_be_released_is_skipped_and_logged(
    world: World, owner: psycopg.Connection
) -> None:
    await world.tracked("t", 0)
    made = [await world.create(("t", 1, 1), customer=customer) for customer in ("a", "bad", "b", "c")]
    owner.execute("ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (customer_id <> 'bad' OR status <> 'CREATED')")
    try:
        with capture_logs() as logs:
            assert await world.restock("t", 4) == 0
            query = "SELECT release_from IS NULL FROM product WHERE product_id = 't'"
            await until_true(lambda: world.value(query), "the release has ended")
    finally:
        owner.execute("ALTER TABLE orders DROP CONSTRAINT no_bad")
    assert [log["order_id"] for log in logs if log["event"] == "backorder skipped: it cannot be released"] == [
        made[1].order_id
    ]
    assert await world.stock("t") == (1, 1)
