"""Fingerprints cover all content of a request, whatever fields the contract has."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from orders_world import World, open_world, order, refusal
from psycopg.conninfo import make_conninfo

from orders.api.validation import new_order
from orders.domain.fingerprints import fingerprint
from runtime.postgres.connections import apply_migration, migrate
from stack.servers.postgres import Postgres

CONTRACTS = (orders_pb2.DESCRIPTOR, inventory_pb2.DESCRIPTOR)
METHODS = [
    method for contract in CONTRACTS for service in contract.services_by_name.values() for method in service.methods
]
ADDED = "added_later"


def messages_with_id() -> list[Descriptor]:
    found = [message for contract in CONTRACTS for message in contract.message_types_by_name.values()]
    return [message for message in found if "request_id" in message.fields_by_name]


def messages_of(descriptor: Descriptor) -> Iterator[str]:
    """Return the names of a message and of the messages in its fields."""
    yield descriptor.name
    for field in descriptor.fields:
        if field.message_type is not None and field.message_type.file.package == descriptor.file.package:
            yield from messages_of(field.message_type)


def with_field_added(request: str, where: str) -> type[Message]:
    """Return the class of a request from contracts in which one message has an additional field."""
    pool = descriptor_pool.DescriptorPool()
    known: set[str] = set()

    def add(contract: Any) -> None:
        if contract.name in known:
            return
        known.add(contract.name)
        for dependency in contract.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        contract.CopyToProto(copy)
        for message in copy.message_type:
            if message.name == where:
                message.field.add(name=ADDED, number=1000, type=FieldDescriptor.TYPE_STRING, label=1)
        pool.AddSerializedFile(copy.SerializeToString())

    for contract in CONTRACTS:
        add(contract)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ordermesh.orders.v1.{request}"))


def filled(message: Any, skip: str = "") -> Any:
    """Set all fields but the skipped one, also of nested messages."""
    for field in message.DESCRIPTOR.fields:
        if field.name == skip:
            continue
        if field.message_type is not None:
            filled(getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name), skip)
        else:
            text = field.type == FieldDescriptor.TYPE_STRING
            setattr(message, field.name, "x" if text else field.type == FieldDescriptor.TYPE_BOOL or 1)
    return message


def with_one_field(kind: Descriptor) -> Iterator[tuple[str, Message]]:
    """Yield a message for each field of this type and of nested ones, with that field alone set."""
    for field in kind.fields:
        made = message_factory.GetMessageClass(kind)()
        if field.message_type is None:
            value = {FieldDescriptor.CPPTYPE_STRING: "x", FieldDescriptor.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)
            if field.is_repeated:
                getattr(made, field.name).append(value)
            else:
                setattr(made, field.name, value)
            yield field.name, made
        else:
            for path, inner in with_one_field(field.message_type):
                outer = message_factory.GetMessageClass(kind)()
                held = getattr(outer, field.name)
                (held.add() if field.is_repeated else held).CopyFrom(inner)
                yield f"{field.name}.{path}", outer


def test_every_writing_method_has_a_request_id() -> None:
    changing = [method for method in METHODS if not method.GetOptions().Extensions[annotations_pb2.http].get]
    assert len(changing) == 7
    for method in changing:
        fields = method.input_type.fields
        within = [field.message_type for field in fields if field.message_type is not None]
        assert any("request_id" in each.fields_by_name for each in (method.input_type, *within)), method.full_name


@pytest.mark.parametrize(
    ("request_name", "where"),
    [(message.name, where) for message in messages_with_id() for where in messages_of(message)],
)
def test_an_unknown_field_is_part_of_the_fingerprint(request_name: str, where: str) -> None:
    kind = with_field_added(request_name, where)
    without, with_it = filled(kind(), skip=ADDED), filled(kind())
    assert fingerprint(without) != fingerprint(with_it)
    # For an older program the field is unknown.
    known = getattr(orders_pb2, request_name, None) or getattr(inventory_pb2, request_name)
    seen = known.FromString(with_it.SerializeToString())
    assert fingerprint(seen) != fingerprint(known.FromString(without.SerializeToString()))
    assert fingerprint(seen) == fingerprint(with_it)


@pytest.mark.parametrize("message", messages_with_id(), ids=lambda message: message.name)
def test_the_request_id_is_the_only_field_that_is_not_part_of_the_fingerprint(message: Descriptor) -> None:
    empty = fingerprint(message_factory.GetMessageClass(message)())
    found = {path: fingerprint(made) for path, made in with_one_field(message)}
    assert found.pop("request_id") == empty
    assert len({empty, *found.values()}) == 1 + len(found)


@pytest.mark.parametrize("message", messages_with_id(), ids=lambda message: message.name)
def test_a_request_is_unchanged_after_its_fingerprint(message: Descriptor) -> None:
    request = filled(message_factory.GetMessageClass(message)())
    before = request.SerializeToString()
    fingerprint(request)
    assert request.SerializeToString() == before


def test_the_fingerprints_of_stored_requests_do_not_change() -> None:
    """A request that is repeated after an upgrade must still be recognised."""
    stored = orders_pb2.CreateOrderRequest(customer_id="c", request_id="r")
    stored.items.add(product_id="p1", quantity=2, price=10.5)
    assert fingerprint(stored).hex() == "0169ac8cc1f44e441ab04e9046053c9cf2"


def test_the_wire_format_does_not_change_the_fingerprint_and_the_order_of_items_does() -> None:
    first, second = (("p1", 1, 5.0), ("p2", 2, 0.0))
    request = order(first, second)
    # The same fields in reverse order, a non-minimal varint, an explicit default.
    item = bytes.fromhex("19 0000000000001440 10 8100 0a 02 7031")
    other = bytes.fromhex("10 02 19 0000000000000000 0a 02 7032")
    wire = b"".join(b"\x12" + bytes([len(each)]) + each for each in (item, other)) + b"\x0a\x01c" + b"\x1a\x00"
    assert fingerprint(orders_pb2.CreateOrderRequest.FromString(wire)) == fingerprint(request)
    assert fingerprint(order(second, first)) != fingerprint(request)


def test_zero_and_minus_zero_are_the_same_price() -> None:
    zero, minus_zero = [new_order(order(("p1", 1, price), request_id="r"), "", None) for price in (0.0, -0.0)]
    assert zero.fingerprint == minus_zero.fingerprint
    dear = new_order(order(("p1", 1, 0.01), request_id="r"), "", None)
    assert dear.fingerprint != zero.fingerprint


async def test_a_retry_after_an_upgrade_matches_the_old_fingerprint(world: World, owner: psycopg.Connection) -> None:
    made = await world.create(("p1", 2, 10), ("p2", 1, 0.5), request_id="r")
    before = hashlib.blake2b(b'{"(p1,2,1000)","(p2,1,50)"}', digest_size=16).digest()
    owner.execute("UPDATE order_request SET fingerprint = %s", (before,))
    assert (await world.create(("p1", 2, 10), ("p2", 1, 0.5), request_id="r")).order_id == made.order_id
    refused = await refusal(world.create(("p1", 2, 10), ("p2", 1, 0.6), request_id="r"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


@pytest.fixture
def old_dsn(postgres: Postgres) -> Iterator[str]:
    """A database with one restock, from before responses of all methods were saved."""
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE upgraded OWNER orders_owner")
        owner_dsn, app_dsn = [
            make_conninfo(postgres.dsn(role), dbname="upgraded") for role in ("orders_owner", "orders_app")
        ]
        with psycopg.connect(owner_dsn, autocommit=True) as owner:
            for name in ("0001_orders.sql", "0002_catalogue.sql", "0003_statistics.sql"):
                apply_migration(owner, name, files("orders.migrations").joinpath(name).read_bytes())
            owner.execute("INSERT INTO restock_request VALUES ('p100', 'r', 5, clock_timestamp())")
        migrate(owner_dsn, "orders.migrations")
        yield app_dsn
        admin.execute("DROP DATABASE upgraded WITH (FORCE)")


async def test_a_restock_stored_before_an_upgrade_is_not_repeated(old_dsn: str, run_folder: Path) -> None:
    async with open_world(old_dsn, run_folder / "old.sock") as world:
        assert await world.restock("p100", 5, "r") == 0
        assert await world.stock("p100") == (1_000_000, 0)
        assert (await refusal(world.restock("p100", 6, "r"))).reason == "REQUEST_ID_REUSED"
        assert await world.restock("p100", 5, "other") == 0
        assert await world.stock("p100") == (1_000_005, 0)
