"""The audit log: in the transaction of the change, and append-only for everybody who is connected to the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from orders_world import World, open_world, order

from orders.store import maintenance
from runtime.audit.entries import parameters
from runtime.identity.caller import HEADER
from runtime.postgres.retention import RetentionSettings

# As the front proxy sends them; the client wrote the first address of x-forwarded-for.
HEADERS = (
    ("x-forwarded-for", "10.9.8.7, 192.0.2.2"),
    ("x-envoy-external-address", "192.0.2.1"),
    ("x-request-id", "request-7"),
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
ENTRIES = "SELECT role, subject, client_address, request_id, action, target, before, after FROM audit_log ORDER BY id"
WHO = ("operator", "anonymous", "192.0.2.1", "request-7")


@pytest.fixture(autouse=True)
def empty_log(postgres: Any, owner: psycopg.Connection) -> None:
    """Empty the log as only the owner can, who may change the table itself."""
    for state in ("DISABLE", "ENABLE"):
        owner.execute(f"ALTER TABLE audit_log {state} TRIGGER audit_log_no_truncate")
        for (name,) in partitions(owner):
            owner.execute(f"ALTER TABLE {name} {state} TRIGGER audit_log_no_truncate")
        if state == "DISABLE":
            for (name,) in partitions(owner):
                owner.execute(f"TRUNCATE {name}")


def partitions(owner: psycopg.Connection) -> list[tuple[str]]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass"
    return owner.execute(query).fetchall()


async def test_each_change_of_an_operator_is_an_entry_with_what_was_before_and_after(
    world: World, owner: psycopg.Connection
) -> None:
    lamp = inventory_pb2.CreateProductRequest(product_id="lamp", name="Lamp", price=5, tracked=True, stock=1)
    await world.inventory.CreateProduct(lamp, metadata=HEADERS)
    restock = inventory_pb2.RestockProductRequest(product_id="lamp", quantity=4, request_id="r")
    for _ in range(2):
        await world.inventory.RestockProduct(restock, metadata=HEADERS)
    made = await world.create(("p1", 1, 1))
    traced = (*HEADERS, ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"))
    await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id), metadata=traced)
    await world.service.ShipOrder(orders_pb2.ShipOrderRequest(order_id=made.order_id), metadata=HEADERS)
    # Without effect, and refused.
    await world.service.ShipOrder(orders_pb2.ShipOrderRequest(order_id=made.order_id), metadata=HEADERS)
    with pytest.raises(grpc.aio.AioRpcError):
        await world.service.CancelOrder(orders_pb2.CancelOrderRequest(order_id=made.order_id), metadata=HEADERS)
    entries = owner.execute(ENTRIES).fetchall()
    assert [entry[:4] for entry in entries] == [WHO] * 4
    (created, restocked, paid, shipped) = [entry[4:] for entry in entries]
    assert created[:3] == ("CreateProduct", "lamp", None)
    assert (created[3]["price_minor"], created[3]["stock"]) == (500, 1)
    assert restocked == (
        "RestockProduct",
        "lamp",
        {"stock": 1, "awaited": 0},
        {"stock": 5, "awaited": 0, "released_orders": 0},
    )
    assert paid == (
        "CompletePayment",
        made.order_id,
        {"status": "CREATED", "sequence": 1},
        {"status": "PAID", "sequence": 2},
    )
    assert (shipped[0], shipped[3]["status"]) == ("ShipOrder", "SHIPPED")
    assert owner.execute("SELECT trace_id FROM audit_log WHERE action = 'CompletePayment'").fetchone() == (TRACE,)


async def test_a_change_that_cannot_be_recorded_is_not_made(world: World, owner: psycopg.Connection) -> None:
    made = await world.create(("p1", 1, 1))
    owner.execute("ALTER TABLE audit_log ADD CONSTRAINT is_full CHECK (action <> 'CompletePayment')")
    try:
        with pytest.raises(grpc.aio.AioRpcError):
            await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id))
    finally:
        owner.execute("ALTER TABLE audit_log DROP CONSTRAINT is_full")
    assert await world.value("SELECT status::text FROM orders WHERE order_id = %s", made.order_id) == "CREATED"
    assert await world.events(made.order_id) == [("ORDER_CREATED", 1)]


async def test_an_order_that_an_operator_places_for_a_customer_is_an_entry(
    orders_dsn: str, run_folder: Path, owner: psycopg.Connection
) -> None:
    operator = (*HEADERS, (HEADER, "operator:olga"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"))
    customer = (*HEADERS, (HEADER, "customer:c"))
    async with open_world(orders_dsn, run_folder / "audited.sock", authentication="keys") as world:
        lamp = inventory_pb2.CreateProductRequest(product_id="lamp", name="Lamp", price=5, tracked=True, stock=1)
        await world.inventory.CreateProduct(lamp, metadata=operator)
        await world.service.CreateOrder(order(("p1", 1, 1)), metadata=customer)
        # The second time it is a replay.
        placed = [
            await world.service.CreateOrder(order(("p1", 2, 1.5), request_id="r"), metadata=operator) for _ in range(2)
        ]
        requests = [order(("p1", 1, 1)), order(("lamp", 1, 5)), order(("lamp", 1, 5)), order(("p1", 0, 1))]
        batch = orders_pb2.BatchCreateOrdersRequest(requests=requests)
        made = await world.service.BatchCreateOrders(batch, metadata=operator)
    entries = owner.execute(ENTRIES).fetchall()
    assert [entry[:5] for entry in entries] == [
        ("operator", "olga", *WHO[2:], action) for action in ("CreateProduct", *("CreateOrder",) * 4)
    ]
    ids = [placed[0].order_id, *(result.order.order_id for result in made.results[:3])]
    assert [entry[5] for entry in entries[1:]] == ids
    assert [
        (entry[6], entry[7]["customer_id"], entry[7]["status"], entry[7]["total_minor"]) for entry in entries[1:]
    ] == [
        (None, "c", "CREATED", 300),
        (None, "c", "CREATED", 100),
        (None, "c", "CREATED", 500),
        (None, "c", "PENDING_RESTOCK", 500),
    ]
    assert owner.execute("SELECT DISTINCT trace_id FROM audit_log WHERE action = 'CreateOrder'").fetchall() == [
        (TRACE,)
    ]


CHANGES = ["UPDATE {} SET subject = 'nobody'", "DELETE FROM {}", "TRUNCATE {}"]


@pytest.mark.parametrize("statement", CHANGES)
async def test_nobody_changes_an_entry(
    world: World, owner: psycopg.Connection, orders_dsn: str, statement: str
) -> None:
    made = await world.create(("p1", 1, 1))
    await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id))
    before = owner.execute(ENTRIES).fetchall()
    assert len(before) == 1
    # The triggers of rows refuse nothing where there is none.
    filled = [name for (name,) in partitions(owner) if owner.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()]
    with psycopg.connect(orders_dsn, autocommit=True) as service:
        for table in ("audit_log", *filled):
            for connection in (owner, service):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.format(table))
    if statement.startswith("TRUNCATE"):
        for (name,) in partitions(owner):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(statement.format(name))
    assert owner.execute(ENTRIES).fetchall() == before


async def test_a_service_makes_up_neither_the_time_nor_the_number_of_an_entry(orders_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(orders_dsn, autocommit=True) as service:
        for column, value in (("at", "now() - interval '1 day'"), ("id", "7")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await service.execute(f"INSERT INTO audit_log ({column}, role) VALUES ({value}, 'operator')")


async def test_a_service_gets_rid_of_no_entry_by_the_upkeep_of_partitions(
    world: World, owner: psycopg.Connection, orders_dsn: str
) -> None:
    made = await world.create(("p1", 1, 1))
    await world.service.CompletePayment(orders_pb2.CompletePaymentRequest(order_id=made.order_id))
    owner.execute(
        "INSERT INTO audit_log (at, role, subject, client_address, request_id, trace_id, action, target)"
        " VALUES (now() - interval '80 days', '', '', '', '', '', 'old', ''),"
        " (now() - interval '500 days', '', '', '', '', '', 'ancient', '')"
    )
    async with await psycopg.AsyncConnection.connect(orders_dsn, autocommit=True) as service:
        # Rows of the default partition move into partitions of their own.
        changes = await maintenance.run_once(service, RetentionSettings())
        assert any(change.startswith("+audit_log") for change in changes)
        for _ in range(5):
            await service.execute("SELECT maintain_partition('audit_log', 2, 1)")
    left = owner.execute("SELECT action FROM audit_log ORDER BY at").fetchall()
    assert left == [("old",), ("CompletePayment",)]


def test_the_parameters_of_a_transition_are_those_of_every_entry() -> None:
    from orders.store.queries import QUERIES
    from runtime.audit.entries import SQL, Action, Origin

    names = parameters(Origin("r", "s", "c"), Action("a", "t", None, None))
    for name in names:
        assert f"%({name})s" in SQL.insert_entry
        assert f"%({name})s" in QUERIES.update_status_on_record
