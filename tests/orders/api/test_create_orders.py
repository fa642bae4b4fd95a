import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import psycopg
import pytest
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from ordermesh.orders.v1.orders_pb2 import Order
from orders_world import World, details, open_world, order, refusal
from structlog.testing import capture_logs
from waiting import until_true

from orders.api import validation
from orders.domain.order import Accepted
from orders.writes import group_commit
from runtime.errors import Expired, Overloaded
from stack.servers.postgres import Postgres

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
BatchRequest = orders_pb2.BatchCreateOrdersRequest


async def test_a_new_order_is_returned_as_clients_sent_it(world: World) -> None:
    made = await world.create(("p1", 2, 10), ("p2", 1, 50), customer="cust-123")
    assert made.status == Order.CREATED
    assert made.total_price == 70
    assert [(item.product_id, item.quantity, item.price) for item in made.items] == [("p1", 2, 10), ("p2", 1, 50)]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made.order_id)
    assert await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=made.order_id.upper())) == made


async def test_the_first_event_contains_the_order_and_its_trace(world: World) -> None:
    traceparent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    request = order(("p1", 2, 10.25), customer="buyer")
    made = await world.service.CreateOrder(request, metadata=(("traceparent", traceparent),))
    ((payload, sent_trace, units, total),) = await world.rows(
        "SELECT payload, traceparent, units, total_minor FROM event_outbox WHERE key = %s", made.order_id
    )
    event = OrderEvent.FromString(payload)
    assert (event.order_id, event.customer_id, event.sequence, event.status) == (made.order_id, "buyer", 1, made.status)
    assert [(i.product_id, i.quantity, i.price_minor) for i in event.order_created.items] == [("p1", 2, 1025)]
    assert (event.total_minor, total, units, sent_trace) == (2050, 2050, 2, traceparent)
    assert event.occur_time == made.create_time
    assert await world.value("SELECT trace_id FROM orders") == "ab" * 16


async def test_a_repeated_request_is_answered_by_a_replay(world: World) -> None:
    for product in ("p1", "p100"):
        first = await world.create((product, 1, 5), request_id=f"r-{product}")
        call = world.service.CreateOrder(order((product, 1, 5), request_id=f"r-{product}"))
        again = await call
        assert again == first
        assert ("idempotent-replayed", "true") in tuple(await call.initial_metadata())
    assert await world.value("SELECT count(*) FROM orders") == 2
    assert await world.value("SELECT count(*) FROM event_outbox") == 2
    assert await world.stock("p100") == (999_999, 0)


async def test_customers_have_idempotency_keys_of_their_own(world: World) -> None:
    first, second = [await world.create(("p1", 1, 5), customer=who, request_id="same") for who in ("a", "b")]
    assert first.order_id != second.order_id


@pytest.mark.parametrize("product", ["p1", "p100"])
async def test_a_request_id_with_other_content_is_refused(world: World, product: str) -> None:
    await world.create((product, 1, 5), request_id="r")
    refused = await refusal(world.create((product, 2, 5), request_id="r"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert await world.value("SELECT count(*) FROM orders") == 1


@pytest.mark.parametrize("product", ["p1", "p100"])
async def test_fifty_concurrent_calls_with_one_request_id_create_one_order(
    world: World, orders_dsn: str, run_folder: Path, product: str
) -> None:
    async with open_world(orders_dsn, run_folder / "other.sock") as other:
        calls = [each.create((product, 1, 5), request_id="r") for each in (world, other) * 25]
        made = await asyncio.gather(*calls)
    assert len({each.order_id for each in made}) == 1
    assert await world.value("SELECT count(*) FROM orders") == 1
    assert (await world.stock("p100"))[0] == (999_999 if product == "p100" else 1_000_000)


@pytest.mark.parametrize("product", ["p1", "p100"])
async def test_duplicates_within_a_batch_are_replays(world: World, product: str) -> None:
    same, other = order((product, 1, 5), request_id="r"), order((product, 9, 5), request_id="r")
    reply = await world.service.BatchCreateOrders(BatchRequest(requests=[same, same, other, same]))
    ids = {result.order.order_id for result in reply.results if result.HasField("order")}
    assert len(ids) == 1
    assert reply.accepted_count == 3
    assert details(reply.results[2].error)[0] == "REQUEST_ID_REUSED"
    assert await world.value("SELECT count(*) FROM orders") == 1


async def test_each_order_of_a_batch_has_its_own_result(world: World) -> None:
    await world.tracked("scarce", 1)
    requests = [
        order(("p1", 1, 5)),
        order(("p1", 0, 5)),
        order(("p1", 1, 5), ("no-such", 1, 5)),
        order(("scarce", 2, 1)),
        order(("scarce", 1, 1)),
    ]
    reply = await world.service.BatchCreateOrders(BatchRequest(requests=requests))
    statuses = [result.order.status for result in reply.results]
    assert statuses == [Order.CREATED, 0, 0, Order.PENDING_RESTOCK, Order.CREATED]
    assert details(reply.results[1].error)[1] == [("items[0].quantity", "must be 1 to 1000000, is 0")]
    assert details(reply.results[2].error)[:2] == (
        "UNKNOWN_PRODUCT",
        [("items[1].product_id", 'no product "no-such"')],
    )
    assert reply.accepted_count == 3
    assert await world.value("SELECT count(*) FROM orders") == 3


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_of_no_orders_or_too_many_is_refused(world: World, count: int) -> None:
    request = BatchRequest(requests=[order(("p1", 1, 1))] * count)
    refused = await refusal(world.service.BatchCreateOrders(request))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["requests"])


async def test_a_batch_of_too_many_items_is_refused_before_it_is_decoded(world: World) -> None:
    empty = orders_pb2.CreateOrderRequest(items=[orders_pb2.OrderItem()] * 1000)
    refused = await refusal(world.service.BatchCreateOrders(BatchRequest(requests=[empty] * 1000)))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    rule = "must have at most 10000 items in all orders together, has at least 11000"
    assert refused.violations == [("requests", rule)]


async def test_an_unknown_product_is_reported_with_its_index_and_nothing_is_stored(world: World) -> None:
    refused = await refusal(world.create(("p1", 1, 1), ("nope", 1, 1), ("p2", 1, 1), ("nix", 1, 1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_PRODUCT")
    assert refused.fields == ["items[1].product_id", "items[3].product_id"]
    assert await world.value("SELECT count(*) FROM orders") == 0


async def test_customer_and_request_ids_of_any_printable_characters_are_stored_unchanged(world: World) -> None:
    customer, request_id = "\"{a,b}\\'%(x)s$1;--", '\\"},{\\"'
    made = await world.create(("p1", 1, 1), customer=customer, request_id=request_id)
    assert await world.rows("SELECT customer_id, request_id FROM order_request") == [(customer, request_id)]
    assert (await world.create(("p1", 1, 1), customer=customer, request_id=request_id)).order_id == made.order_id


# Array literals write NULL as "null"; 36 characters is the length of an order id.
@pytest.mark.parametrize("product", ["null", "NULL", "not-hexadecimal-but-36-characters-xyz"[-36:], "a" * 64])
async def test_a_product_with_any_valid_id_can_run_out_and_be_restocked(world: World, product: str) -> None:
    await world.tracked(product, 1)
    short = await world.create((product, 2, 1))
    assert short.status == Order.PENDING_RESTOCK
    assert await world.restock(product, 1) == 1
    assert (await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=short.order_id))).status == Order.CREATED
    assert await world.rows("SELECT key FROM event_outbox WHERE event_type >= 16") == [(product,), (product,)]


async def test_an_order_that_the_database_refuses_does_not_fail_others_of_its_batch(
    world: World, owner: psycopg.Connection
) -> None:
    owner.execute("ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (customer_id <> 'bad')")
    customers = ["a", "bad", "b", "c", "bad", "d", "e"]
    requests = [order(("p1", 1, 1), customer=customer) for customer in customers]
    reply = await world.service.BatchCreateOrders(BatchRequest(requests=requests))
    assert [result.HasField("order") for result in reply.results] == [c != "bad" for c in customers]
    owner.execute("ALTER TABLE orders DROP CONSTRAINT no_bad")
    assert details(reply.results[1].error)[0] == "INTERNAL_FAULT"
    assert await world.value("SELECT string_agg(customer_id, '' ORDER BY order_id) FROM orders") == "abcde"


async def test_the_writer_continues_after_an_internal_error(world: World, owner: psycopg.Connection) -> None:
    owner.execute("REVOKE INSERT ON orders FROM orders_app")
    refused = await refusal(world.service.CreateOrder(order(("p1", 1, 1)), timeout=10))
    owner.execute("GRANT INSERT ON orders TO orders_app")
    assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT")
    assert (await world.service.CreateOrder(order(("p1", 1, 1)), timeout=10)).status == Order.CREATED


@pytest.mark.usefixtures("patient_writer")
async def test_an_order_is_stored_when_the_product_cache_is_cleared_before_the_write(
    world: World, owner_dsn: str
) -> None:
    await world.tracked("kept", 1)
    lock = await psycopg.AsyncConnection.connect(owner_dsn)
    await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
    held = asyncio.ensure_future(world.create(("p1", 1, 1)))
    await waits_for_lock(world)
    queued = asyncio.ensure_future(world.service.CreateOrder(order(("kept", 1, 1)), timeout=20))
    await condition(lambda: not world.writer._queue.empty())
    world.products.tracked.clear()
    await lock.rollback()
    await lock.close()
    assert (await held).status == Order.CREATED
    assert (await queued).status == Order.CREATED
    assert await world.stock("kept") == (0, 0)


@pytest.mark.usefixtures("patient_writer")
async def test_a_call_that_is_cancelled_or_expires_before_the_write_stores_nothing(
    world: World, owner_dsn: str
) -> None:
    lock = await psycopg.AsyncConnection.connect(owner_dsn)
    await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
    held = asyncio.ensure_future(world.create(("p1", 1, 1), customer="held"))
    await waits_for_lock(world)
    gone = world.service.CreateOrder(order(("p1", 1, 1), customer="gone"))
    late = asyncio.ensure_future(refusal(world.service.CreateOrder(order(("p1", 1, 1), customer="late"), timeout=0.3)))
    await condition(lambda: world.writer._queue.qsize() == 2)
    assert gone.cancel()
    assert (await late).code == grpc.StatusCode.DEADLINE_EXCEEDED
    await condition(lambda: world.orders._admission.in_flight <= 1)
    await lock.rollback()
    await lock.close()
    await held
    await world.create(("p1", 1, 1), customer="after")
    assert await world.value("SELECT string_agg(customer_id, ',' ORDER BY order_id) FROM orders") == "held,after"


async def test_an_order_whose_deadline_passed_in_the_queue_is_not_stored(world: World) -> None:
    late = validation.new_order(order(("p1", 1, 1), customer="late"), TRACE, deadline=0.0)
    in_time = validation.new_order(order(("p1", 1, 1), customer="in-time"), TRACE, deadline=None)
    expired, stored = await world.writer.submit([late, in_time])
    assert isinstance(expired, Expired)
    assert isinstance(stored, Accepted)
    assert await world.rows("SELECT customer_id FROM orders") == [("in-time",)]


async def test_a_call_behind_a_transaction_that_stalls_is_refused_at_once(
    world: World, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = await psycopg.AsyncConnection.connect(owner_dsn)
    await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
    held = asyncio.ensure_future(world.create(("p1", 1, 1)))
    await waits_for_lock(world)
    # The transaction has run for some time, and is expected to run for as long again.
    late = validation.new_order(order(("p1", 1, 1)), TRACE, deadline=time.monotonic())
    with pytest.raises(Overloaded):
        await world.writer.submit([late])
    monkeypatch.setattr(group_commit, "MAX_DELAY_SECONDS", 0.0)
    refused = await refusal(world.create(("p1", 1, 1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert refused.retry_seconds == 1.0
    await lock.rollback()
    await lock.close()
    assert (await held).status == Order.CREATED
    assert (await world.create(("p1", 1, 1))).status == Order.CREATED


async def test_an_overloaded_process_refuses_at_once_with_a_retry_delay(
    orders_dsn: str, owner_dsn: str, run_folder: Path
) -> None:
    async with open_world(orders_dsn, run_folder / "small.sock", max_in_flight=3) as world:
        lock = await psycopg.AsyncConnection.connect(owner_dsn)
        await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        held = [asyncio.ensure_future(world.create(("p1", 1, 1))) for _ in range(3)]
        await condition(lambda: world.orders._admission.in_flight == 3)
        for call in (
            world.create(("p1", 1, 1)),
            world.service.BatchCreateOrders(BatchRequest(requests=[order(("p1", 1, 1))])),
            world.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id="0" * 8 + "-0000" * 3 + "-" + "0" * 12)),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert refused.retry_seconds == 0.1
        await lock.rollback()
        await lock.close()
        await asyncio.gather(*held)
        big = BatchRequest(requests=[order(("p1", 1, 1))] * 4)
        assert (await world.service.BatchCreateOrders(big)).accepted_count == 4


async def test_times_come_from_the_database_not_from_this_machine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    made = await world.create(("p1", 1, 1))
    paid = await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id))
    ((created, updated),) = await world.rows(
        "SELECT abs(extract(epoch FROM clock_timestamp() - created_at)),"
        " abs(extract(epoch FROM clock_timestamp() - updated_at)) FROM orders"
    )
    assert max(created, updated) < 30
    assert paid.update_time.ToMicroseconds() > made.create_time.ToMicroseconds()


@pytest.mark.parametrize(
    ("product", "reason", "delay"), [("p1", "OUTCOME_UNKNOWN", None), ("p100", "DATABASE_UNAVAILABLE", 1.0)]
)
async def test_the_order_after_a_terminated_connection_is_stored(
    world: World, owner_dsn: str, product: str, reason: str, delay: float | None
) -> None:
    """A single statement commits by itself, so its outcome is unknown; with stock, the COMMIT was not sent."""
    async with await psycopg.AsyncConnection.connect(owner_dsn) as lock:
        await lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        held = asyncio.ensure_future(refusal(world.create((product, 1, 1))))
        await waits_for_lock(world)
        await terminate(world)
        refused = await held
    assert (refused.code, refused.reason, refused.retry_seconds) == (grpc.StatusCode.UNAVAILABLE, reason, delay)
    assert await world.value("SELECT count(*) FROM orders") == 0
    assert (await world.create(("p1", 1, 1))).status == Order.CREATED


@pytest.mark.parametrize("product", ["p1", "p100"])
async def test_a_committed_order_is_confirmed_though_the_lookup_of_replays_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    """The connection breaks after the commit, during the lookup of first results for other orders of the batch."""
    first = await world.create((product, 1, 5), request_id="old")
    from orders.stock import tracked_orders
    from orders.store import order_idempotency

    lookups = 0

    async def dies(connection: psycopg.AsyncConnection, orders: object) -> object:
        nonlocal lookups
        lookups += 1
        # With stock, the first lookup is before the commit.
        if product == "p1" or lookups > 1:
            raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")
        return await real(connection, orders)

    real = order_idempotency.find_first_results
    monkeypatch.setattr(order_idempotency, "find_first_results", dies)
    monkeypatch.setattr(tracked_orders, "find_first_results", dies)
    requests = [order((product, 1, 5), request_id="old"), order((product, 1, 5), request_id="new")]
    reply = await world.service.BatchCreateOrders(BatchRequest(requests=requests))
    assert details(reply.results[0].error)[0] == "DATABASE_UNAVAILABLE"
    assert reply.results[1].HasField("order")
    monkeypatch.undo()
    assert await world.rows("SELECT order_id::text FROM orders ORDER BY 1") == sorted(
        [(first.order_id,), (reply.results[1].order.order_id,)]
    )


async def test_orders_are_stored_after_an_immediate_restart_of_the_database(world: World, postgres: Postgres) -> None:
    order_id = (await world.create(("p1", 1, 1))).order_id
    assert postgres.process is not None
    os.kill(postgres.process.pid, signal.SIGQUIT)
    await asyncio.to_thread(postgres.process.wait, 20)
    refused = await refusal(world.create(("p1", 1, 1)))
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(postgres.wait_ready, 60)
    assert (await world.create(("p1", 1, 1))).status == Order.CREATED
    assert (await world.service.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))).status == Order.CREATED
    assert await world.value("SELECT count(*) FROM orders") == 2


async def test_a_refused_connection_is_unavailable_and_not_an_unknown_outcome(world: World) -> None:
    world.writer.connection._dsn = "postgresql://127.0.0.1:1/nowhere"
    assert world.writer.connection._connection is not None
    await world.writer.connection._connection.close()
    refused = await refusal(world.create(("p1", 1, 1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    world.writer.connection._dsn = world.dsn
    assert (await world.create(("p1", 1, 1))).status == Order.CREATED


async def test_an_outage_of_the_writer_is_logged_once_and_its_end_once(world: World) -> None:
    await world.create(("p1", 1, 1))
    assert world.writer.connection._connection is not None
    world.writer.connection._dsn = "postgresql://127.0.0.1:1/nowhere"
    await world.writer.connection._connection.close()
    with capture_logs() as logs:
        for _ in range(3):
            assert (await refusal(world.create(("p1", 1, 1)))).reason == "DATABASE_UNAVAILABLE"
        world.writer.connection._dsn = world.dsn
        for _ in range(2):
            await world.create(("p1", 1, 1))
    assert [(line["event"], line["work"]) for line in logs] == [
        ("outage began", "storing orders"),
        ("outage ended", "storing orders"),
    ]
    assert logs[1]["errors"] == 3


async def test_restocks_are_idempotent_by_request_id(world: World) -> None:
    await world.tracked("t", 0)
    await world.restock("t", 5, "r")
    await world.restock("t", 5, "r")
    assert await world.stock("t") == (5, 0)
    refused = await refusal(world.restock("t", 6, "r"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    refused = await refusal(world.restock("p1", 6))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PRODUCT_NOT_TRACKED")
    refused = await refusal(world.inventory.GetProduct(inventory_pb2.GetProductRequest(product_id="none")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")


async def condition(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds, limited by the timeout of the test."""
    while not holds():  # noqa: ASYNC110  # what is waited for is told by no event
        await asyncio.sleep(0)


async def waits_for_lock(world: World) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    await until_true(lambda: world.value(query), "a transaction waits for a lock")


async def terminate(world: World) -> None:
    await world.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = %s",
        "ordermesh-orders@orders.sock",
    )


async def test_an_idle_connection_that_broke_fails_no_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a standby process while the database is restarted."""
    monkeypatch.setattr("orders.writes.writer_connection.CHECK_AFTER_IDLE_SECONDS", -1.0)
    await world.create(("p1", 1, 1))
    connection = world.writer.connection._connection
    assert connection is not None
    await world.rows("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    assert (await world.create(("p1", 1, 1))).status == Order.CREATED
