"""Allocation on a real database against a second implementation of docs/decisions/0012-waiting-for-stock.md."""

from dataclasses import dataclass, field

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ordermesh.orders.v1 import orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from orders_world import World
from structlog.testing import capture_logs
from waiting import until_true

from orders.stock import release_sweep

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
HOUR_SECONDS = 3600


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
    arrivals: dict[str, int] = field(default_factory=dict)
    arrived_seconds: dict[str, int] = field(default_factory=dict)
    now_seconds: int = 0
    queue: list[Place] = field(default_factory=list)
    created: dict[int, dict[str, int]] = field(default_factory=dict)

    def holds(self, place: Place) -> bool:
        """Rules 3 and 4, for what it lacks besides the holds of earlier backorders."""
        lacks = [p for p, need in place.needs.items() if self.left(p, place) < need]
        return bool(lacks) and all(
            self.arrivals[p] - place.before[p] >= 3 and self.now_seconds - self.arrived_seconds[p] < HOUR_SECONDS
            for p in lacks
        )

    def left(self, product: str, place: Place | None) -> int:
        """Return the units on hand that are not held by the first holder before a position."""
        for other in self.queue[: self.queue.index(place)] if place else self.queue:
            if product in other.needs and self.holds(other):
                return self.on_hand[product] - other.needs[product]
        return self.on_hand[product]

    def fits(self, needs: dict[str, int], place: Place | None = None) -> bool:
        return all(self.left(product, place) >= need for product, need in needs.items())

    def order(self, name: int, needs: dict[str, int]) -> None:
        if self.fits(needs):
            self.take(name, needs)
        else:
            self.queue.append(Place(name, needs, {product: self.arrivals[product] for product in needs}))

    def take(self, name: int, needs: dict[str, int]) -> None:
        for product, need in needs.items():
            self.on_hand[product] -= need
        self.created[name] = needs

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
            self.take(fitting.name, fitting.needs)

    def cancel(self, name: int) -> None:
        if name in self.created:
            self.arrive(self.created.pop(name))
        else:
            self.queue = [place for place in self.queue if place.name != name]
            self.look()


PRODUCTS = ["a", "b"]
FIRST_STOCK = 2
# Large backorders get holds only when restocks are small and frequent.
NEEDS = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 8), min_size=1)
RESTOCK = st.tuples(st.just("restock"), st.sampled_from(PRODUCTS), st.integers(1, 2))
ORDER = st.tuples(st.just("order"), NEEDS)
STEPS = st.one_of(
    ORDER, ORDER, RESTOCK, RESTOCK, RESTOCK, RESTOCK,
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("pass"), st.sampled_from([HOUR_SECONDS // 2, HOUR_SECONDS + 60])),
)  # fmt: skip
# Failing examples are not shrunk, which would take minutes.
EXAMPLES = settings(
    max_examples=12,
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

    async def order(self, name: int, needs: dict[str, int]) -> None:
        self.made[name] = (await self.world.create(*((p, n, 1) for p, n in needs.items()))).order_id

    async def restock(self, product: str, units: int) -> None:
        await self.world.restock(product, units)

    async def cancel(self, name: int) -> None:
        await self.world.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=self.made[name]))

    async def pass_time(self, seconds: int) -> None:
        self.owner.execute(PASS, (seconds, seconds))
        # The sweep does this every second.
        while await self.world.sweep.run_once():
            pass

    async def settled(self) -> None:
        """Wait until the sweep has finished the scheduled releases."""
        query = "SELECT count(*) = 0 FROM product WHERE release_from IS NOT NULL"
        await until_true(lambda: self.world.value(query), "every release has ended")

    def check(self, page: Page) -> None:
        stored = {
            "CREATED": {self.made[name] for name in page.created},
            "PENDING_RESTOCK": {self.made[place.name] for place in page.queue},
        }
        for status, wanted in stored.items():
            found = self.owner.execute("SELECT order_id::text FROM orders WHERE status::text = %s", (status,))
            assert {order_id for (order_id,) in found} == wanted, status
        queue = self.owner.execute("SELECT order_id::text FROM backorder GROUP BY 1 ORDER BY min(position)")
        assert [order_id for (order_id,) in queue] == [self.made[place.name] for place in page.queue]
        stock = self.owner.execute(
            "SELECT product_id, stock, awaited FROM product WHERE product_id = ANY(%s)", (PRODUCTS,)
        )
        assert {product: (on_hand, awaited) for product, on_hand, awaited in stock} == {
            product: (page.on_hand[product], sum(place.needs.get(product, 0) for place in page.queue))
            for product in PRODUCTS
        }


@EXAMPLES
@given(steps=st.lists(STEPS, min_size=20, max_size=40))
async def test_allocations_agree_with_the_documented_rules(
    world: World, owner: psycopg.Connection, steps: list[tuple]
) -> None:
    shop = Shop(world, owner)
    page = await shop.begin()
    for name, (kind, *rest) in enumerate(steps):
        if kind == "order":
            page.order(name, rest[0])
            await shop.order(name, rest[0])
        elif kind == "restock":
            page.arrive({rest[0]: rest[1]})
            await shop.restock(*rest)
        elif kind == "pass":
            page.now_seconds += rest[0]
            page.look()
            await shop.pass_time(rest[0])
        elif rest[0] in shop.made and (rest[0] in page.created or rest[0] in {place.name for place in page.queue}):
            page.cancel(rest[0])
            await shop.cancel(rest[0])
        await shop.settled()
        shop.check(page)


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
