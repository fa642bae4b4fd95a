"""The contracts themselves: documented, reachable over REST, linted, unbroken, nothing internal made public."""

import json
import re
import subprocess
import sys
from pathlib import Path

import ordermesh
import pytest
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

ROOT = Path(__file__).parents[2]
GENERATE = ROOT / "proto" / "generate.py"
GENERATED = Path(next(iter(ordermesh.__path__)))
BUF = Path(sys.executable).parent / "buf"
sys.path.insert(0, str(ROOT / "proto"))

from contract_reader import Contracts, example, prose  # noqa: E402  a module of proto/, which is no package

DESCRIPTORS = FileDescriptorSet.FromString((GENERATED / "descriptor.binpb").read_bytes())
# What belongs into the options of a field: a range, a default, whether it is required.
LIMIT = re.compile(r"\d to \d|at most \d|absent means|Required|Optional|characters")
OPENAPI = json.loads((GENERATED / "openapi.json").read_text())


def run(*command: str | Path) -> None:
    ended = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("contracts") / "image.binpb"
    run(sys.executable, GENERATE, "--image", path)
    return path


@pytest.fixture(scope="module")
def contracts(image: Path) -> Contracts:
    return Contracts(image.read_bytes())


def public_methods(contracts: Contracts):
    return [
        (service, method)
        for service in contracts.services
        if ".internal." not in service.full_name
        for method in service.methods
    ]


def operations() -> dict[tuple[str, str], dict]:
    return {(verb, path): made for path, verbs in OPENAPI["paths"].items() for verb, made in verbs.items()}


def test_what_is_generated_is_what_the_contracts_give() -> None:
    run(sys.executable, GENERATE, "--check")


def test_the_contracts_follow_the_lint_rules(image: Path) -> None:
    run(BUF, "lint", image, "--config", "proto/buf.yaml", "--path", "ordermesh")


def test_the_contracts_break_no_client_of_the_baseline() -> None:
    run(
        BUF,
        "breaking",
        GENERATED / "descriptor.binpb",
        "--against",
        "proto/baseline.binpb",
        "--config",
        "proto/buf.yaml",
    )


def test_every_public_method_is_explained_and_has_a_rest_form(contracts: Contracts) -> None:
    methods = public_methods(contracts)
    assert len(methods) >= 19
    for service, method in methods:
        assert prose(method.comment), f"{service.name}/{method.name} has no comment"
        assert method.bindings, f"{service.name}/{method.name} has no REST form"


def test_every_method_states_who_may_call_it(contracts: Contracts) -> None:
    for service in contracts.services:
        internal = ".internal." in service.full_name
        for method in service.methods:
            name = f"{service.name}/{method.name}"
            assert method.access is not None, f"{name}: state ordermesh.options.v1.access"
            assert method.access.internal == internal, name
            assert bool(method.access.roles) != internal, name
            assert len(set(method.access.roles)) == len(method.access.roles), name


def test_an_operator_may_call_every_public_method(contracts: Contracts) -> None:
    assert [method.name for _, method in public_methods(contracts) if "operator" not in method.access.roles] == []


def test_a_customer_is_limited_to_its_orders_where_a_method_knows_a_customer(contracts: Contracts) -> None:
    of_customers = {"customer_id", "order_id", "requests"}
    for _, method in public_methods(contracts):
        named = {field.descriptor.name for field in contracts.messages[method.request].fields}
        if "customer" in method.access.roles:
            assert method.access.own_orders == bool(named & of_customers), method.name


def test_the_openapi_document_states_the_credentials_and_roles_of_every_operation(contracts: Contracts) -> None:
    schemes = OPENAPI["components"]["securitySchemes"]
    for made in operations().values():
        assert [list(one) for one in made["security"]] == [[name] for name in schemes]
        assert {"401", "403"} <= set(made["responses"])
    for service, method in public_methods(contracts):
        told = {
            tuple(made["x-roles"])
            for made in operations().values()
            if f"gRPC: `{service.full_name}/{method.name}`" in made["description"]
        }
        assert told == {method.access.roles}


def test_every_rest_form_is_in_the_openapi_document(contracts: Contracts) -> None:
    found = operations()
    for service, method in public_methods(contracts):
        mine = {
            key for key, made in found.items() if f"gRPC: `{service.full_name}/{method.name}`" in made["description"]
        }
        assert len(mine) == len(method.bindings), method.name
    assert len(found) == sum(len(method.bindings) for _, method in public_methods(contracts))


def test_every_method_is_in_the_table_of_the_documentation(contracts: Contracts) -> None:
    table = (GENERATED / "api.md").read_text()
    missing = [method.name for _, method in public_methods(contracts) if method.name not in table]
    assert missing == []


def test_every_field_and_value_is_explained(contracts: Contracts) -> None:
    bare = [
        f"{message.full_name}.{field.descriptor.name}"
        for message in contracts.messages.values()
        for field in message.fields
        if not prose(field.comment)
    ]
    bare += [f"{enum.full_name}.{name}" for enum in contracts.enums.values() for name, text in enum.values if not text]
    assert bare == []


def test_only_the_specified_times_have_a_json_name_of_their_own(contracts: Contracts) -> None:
    own = {
        f"{message.short_name}.{field.descriptor.name}": field.own_json_name
        for message in contracts.messages.values()
        for field in message.fields
        if field.own_json_name
    }
    assert own == {
        "Order.create_time": "createdAt",
        "Order.update_time": "updatedAt",
        "OrderSummary.create_time": "createdAt",
        "Product.create_time": "createdAt",
    }
    for place, json_name in own.items():
        holder, _, name = place.partition(".")
        made = message(f"ordermesh.orders.v1.{holder}")()
        getattr(made, name).FromJsonString("2026-03-11T22:00:00Z")
        assert json_format.MessageToDict(made) == {json_name: "2026-03-11T22:00:00Z"}
        assert json_name in OPENAPI["components"]["schemas"][holder]["properties"]


def test_times_end_in_time(contracts: Contracts) -> None:
    """AIP-142."""
    times = {
        f"{message.full_name}.{field.descriptor.name}"
        for message in contracts.messages.values()
        for field in message.fields
        if field.type_name == "google.protobuf.Timestamp"
    }
    assert times
    assert {name for name in times if not name.endswith("_time")} == set()


def test_no_internal_service_is_public() -> None:
    names = [f"{file.package}.{service.name}" for file in DESCRIPTORS.file for service in file.service]
    assert names
    assert not [name for name in names if ".internal." in name]
    assert "internal" not in {part for file in DESCRIPTORS.file for part in file.package.split(".")}
    assert "internal" not in {part for path in OPENAPI["paths"] for part in path.split("/")}


def test_every_reference_in_the_openapi_document_leads_somewhere() -> None:
    def references(part: object):
        if isinstance(part, dict):
            yield from ([part["$ref"]] if "$ref" in part else [])
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = set(references(OPENAPI))
    assert found
    for reference in found:
        _, components, kind, name = reference.split("/")
        assert name in OPENAPI[components][kind], reference


def test_no_limit_of_a_request_is_in_a_comment(contracts: Contracts) -> None:
    asked = {method.request for _, method in public_methods(contracts)} | {"ordermesh.orders.v1.OrderItem"}
    told = [
        f"{name}.{field.descriptor.name}: {prose(field.comment)}"
        for name in sorted(asked)
        for field in contracts.messages[name].fields
        if LIMIT.search(field.comment)
    ]
    assert told == []


def test_the_exchange_that_users_send_already_is_the_example() -> None:
    made = OPENAPI["paths"]["/orders"]["post"]
    sent = made["requestBody"]["content"]["application/json"]["example"]
    told = made["responses"]["200"]["content"]["application/json"]["example"]
    assert sent == json.loads(
        '{"customerId":"cust-123","items":[{"productId":"p1","quantity":2,"price":10},'
        '{"productId":"p2","quantity":1,"price":50}]}'
    )
    assert (told["status"], told["totalPrice"], told["createdAt"]) == ("CREATED", 70, "2026-03-11T22:00:00Z")
    json_format.ParseDict(sent, message("ordermesh.orders.v1.CreateOrderRequest")())
    json_format.ParseDict(told, message("ordermesh.orders.v1.Order")())


def message(full_name: str):
    pool = DescriptorPool()
    for file in DESCRIPTORS.file:
        pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))


@pytest.mark.parametrize("reason", [name for name, number in ErrorReason.items() if number])
def test_every_reason_has_an_example_that_is_an_error(contracts: Contracts, reason: str) -> None:
    comments = dict(contracts.enums["ordermesh.orders.v1.ErrorReason"].values)
    status = json_format.Parse(example(comments[reason]), Status())
    assert status.code > 0
    assert status.message
    infos = [detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    info = error_details_pb2.ErrorInfo()
    assert infos[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "ordermesh")


def test_the_descriptors_hold_what_envoy_prints_errors_with() -> None:
    names = {file.name for file in DESCRIPTORS.file}
    assert "google/rpc/error_details.proto" in names
    rules = [
        method.options.Extensions[annotations_pb2.http]
        for file in DESCRIPTORS.file
        for service in file.service
        for method in service.method
    ]
    assert all(rule.WhichOneof("pattern") for rule in rules)
    assert not any(rule.response_body for rule in rules)
