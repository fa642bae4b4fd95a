"""What google.api.http says of every REST binding of the contracts: the path wins, and a body leaves no query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from envoy_backend import Backend
from envoy_front import Answer, Front
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import pipeline_pb2, watch_pb2
from ordermesh.orders.v1 import inventory_pb2, orders_pb2

FILES = (orders_pb2, inventory_pb2, analytics_pb2, pipeline_pb2, watch_pb2)
VARIABLE = re.compile(r"\{(\w+)\}")


class Binding(NamedTuple):
    verb: str
    template: str
    has_body: bool
    fields: list[FieldDescriptor]

    @property
    def path(self) -> str:
        return VARIABLE.sub("A", self.template)

    @property
    def in_path(self) -> list[FieldDescriptor]:
        return [field for field in self.fields if field.name in VARIABLE.findall(self.template)]

    @property
    def in_query(self) -> list[FieldDescriptor]:
        return [] if self.has_body else [field for field in self.fields if field not in self.in_path]


def rules(rule: HttpRule) -> Iterator[HttpRule]:
    yield rule
    for further in rule.additional_bindings:
        yield from rules(further)


def bindings_of(service: ServiceDescriptor) -> Iterator[Binding]:
    for method in service.methods:
        for rule in rules(method.GetOptions().Extensions[annotations_pb2.http]):
            verb = str(rule.WhichOneof("pattern"))
            assert rule.body in {"", "*"}, "these tests know no other body"
            yield Binding(verb.upper(), getattr(rule, verb), rule.body == "*", list(method.input_type.fields))


SERVICES = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
BINDINGS = [binding for service in SERVICES for binding in bindings_of(service)]
every_binding = pytest.mark.parametrize("binding", BINDINGS, ids=lambda one: f"{one.verb} {one.template}")


def ask(front: Front, binding: Binding, query: str, body: str = "{}") -> Answer:
    data, headers = (body, {"content-type": "application/json"}) if binding.has_body else (None, {})
    return front.ask(binding.verb, f"{binding.path}{query}", headers, data)


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json"), answer
    assert answer.json["code"] == 3
    assert answer.json["details"][0]["reason"] == "MALFORMED_REQUEST"
    assert answer.json["message"]


def encoded(name: str) -> str:
    """Return a name with its first letter percent-encoded, which RFC 3986 calls equivalent."""
    return f"%{ord(name[0]):02x}{name[1:]}"


def test_the_bindings_are_those_of_the_contracts() -> None:
    assert len(BINDINGS) > 20
    assert {binding.verb for binding in BINDINGS} == {"GET", "POST"}


@every_binding
def test_a_field_of_the_path_is_no_query_parameter(front: Front, backend: Backend, binding: Binding) -> None:
    legal = next((f"{field.json_name}=1&" for field in binding.in_query), "")
    before = len(backend.seen.calls)
    for field in binding.in_path:
        for name in (field.name, field.json_name, encoded(field.json_name), encoded(field.name)):
            for query in (f"{name}=B", f"{legal}{name}=B", f"{name}=B&{name}=C", f"{name}.x=B", name, f"{name}="):
                assert_refused(ask(front, binding, f"?{query}"))
    assert len(backend.seen.calls) == before


@every_binding
def test_with_a_body_there_are_no_query_parameters(front: Front, backend: Backend, binding: Binding) -> None:
    names = [name for field in binding.fields for name in (field.name, field.json_name)] if binding.has_body else []
    before = len(backend.seen.calls)
    for name in [*names, *(["nothing"] if binding.has_body else [])]:
        for query in (f"{name}=B", f"{encoded(name)}=B", name, f"&{name}=B"):
            assert_refused(ask(front, binding, f"?{query}"))
    assert len(backend.seen.calls) == before


@every_binding
def test_a_field_of_the_path_cannot_stand_in_the_body(front: Front, backend: Backend, binding: Binding) -> None:
    before = len(backend.seen.calls)
    for field in binding.in_path if binding.has_body else []:
        for name in (field.name, field.json_name):
            for value in ("A", "B", "", 5, True, {}, {"a": 1}, {"belongs_in_the_path_only": {}}):
                answer = ask(front, binding, "", json.dumps({name: value}))
                assert_refused(answer)
                assert answer.json["message"].startswith(field.json_name)
                assert answer.json["message"].strip().endswith("belongs_in_the_path_only")
            for value in (["A"], []):
                assert_refused(ask(front, binding, "", json.dumps({name: value})))
    assert len(backend.seen.calls) == before


@every_binding
def test_a_parameter_has_a_value_and_stands_once(front: Front, binding: Binding) -> None:
    for field in binding.in_query:
        for query in (field.json_name, f"={field.json_name}", f"{encoded(field.json_name)}=1"):
            assert_refused(ask(front, binding, f"?{query}"))
        if not field.is_repeated:
            assert_refused(ask(front, binding, f"?{field.json_name}=1&{field.name}=2"))
            assert_refused(ask(front, binding, f"?{field.name}=1&&other=1&{field.name}=1"))


@every_binding
def test_a_request_as_the_contract_says_is_let_through(front: Front, binding: Binding) -> None:
    if not binding.template.endswith((":watch", ":watchLines")):
        # Not every method is served behind this front.
        assert ask(front, binding, "").status in {200, 501}


@pytest.mark.parametrize("dots", [".", "..", "%2e", "%2E%2e", ".%2E"])
def test_dots_are_an_id_and_lead_to_no_other_resource(front: Front, dots: str) -> None:
    decoded = dots.lower().replace("%2e", ".")
    assert front.curl(f"/v1/products/{dots}", "--path-as-is").json["productId"] == decoded
    assert front.post(f"/v1/orders/{dots}:cancel", "{}", "--path-as-is").json["orderId"] == decoded
    # Behind this front no order is read.
    assert front.curl(f"/v1/orders/{dots}", "--path-as-is").status == 501
    assert front.curl(f"/orders/{dots}", "--path-as-is").status == 501
    for path in (f"/v1/orders/{dots}/products/p1", f"/v1/products/p1/{dots}", f"/{dots}/v1/products/p1"):
        answer = front.curl(path, "--path-as-is")
        assert (answer.status, answer.json["details"][0]["reason"]) == (404, "PATH_NOT_FOUND")


@every_binding
def test_null_in_the_body_is_no_value_also_for_a_field_of_the_path(front: Front, binding: Binding) -> None:
    for field in binding.in_path if binding.has_body else []:
        for name in (field.name, field.json_name):
            assert ask(front, binding, "", json.dumps({name: None})).status in {200, 501}


def test_the_value_of_the_path_reaches_the_service(front: Front) -> None:
    assert front.curl("/v1/products/A").json["productId"] == "A"
    assert front.curl("/v1/products/A%2FB").json["productId"] == "A/B"
    assert front.post("/v1/orders/A:cancel", "{}").json["orderId"] == "A"
    assert front.post("/v1/orders/A:cancel", '{"colour":"red"}').json["orderId"] == "A"


@pytest.mark.parametrize("query", ["", "?", "?customerId=a", "?customer_id=a&pageSize=2", "?customerId=a%26b%3D"])
def test_what_is_in_order_is_answered(front: Front, query: str) -> None:
    assert front.curl(f"/orders{query}").status == 200
