"""Calls of every RPC by every kind of caller, over gRPC, gRPC-Web and REST, and what the contracts say of them."""

from __future__ import annotations

import json
import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection

import grpc
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import dead_letters_pb2, pipeline_pb2, timeline_pb2, watch_pb2
from ordermesh.options.v1 import options_pb2
from ordermesh.orders.v1 import inventory_pb2, orders_pb2

ATTEMPTS = 3
CALL_SECONDS = 20.0
OWN, FOREIGN = "cust-own", "cust-foreign"
CONTRACTS = (orders_pb2, inventory_pb2, analytics_pb2, pipeline_pb2, watch_pb2, dead_letters_pb2, timeline_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for contract in CONTRACTS
    for service in contract.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
Status = grpc.StatusCode
CODES = {status.value[0]: status for status in Status}
# As Envoy's transcoder makes the HTTP status of a code.
HTTP = {Status.UNAUTHENTICATED: 401, Status.PERMISSION_DENIED: 403, Status.NOT_FOUND: 404}
# What a caller gets that may call: the state of an order may still not allow it.
ALLOWED = {Status.OK, Status.FAILED_PRECONDITION}
ALLOWED_HTTP = {200, 400}


@dataclass(frozen=True)
class CallerKind:
    """Who calls: the headers, and the role that they prove, none without valid credentials."""

    name: str
    headers: tuple[tuple[str, str], ...]
    role: str = ""


def rules(method: MethodDescriptor) -> Iterator[HttpRule]:
    """Yield the REST bindings of a method."""
    first = method.GetOptions().Extensions[annotations_pb2.http]
    yield first
    yield from first.additional_bindings


def expected(method: MethodDescriptor, caller: CallerKind, customer: str) -> set[Status]:
    """Return the codes that the contracts allow for a call that names this customer, or its order."""
    access = method.GetOptions().Extensions[options_pb2.access]
    if not caller.role:
        return {Status.UNAUTHENTICATED}
    if caller.role not in {options_pb2.Access.Role.Name(role).lower() for role in access.roles}:
        return {Status.PERMISSION_DENIED}
    if method.name == "GetDeadLetter":
        return {Status.NOT_FOUND}
    # In a batch each order is refused by itself.
    if not access.own_orders or caller.role != "customer" or customer == OWN or method.name == "BatchCreateOrders":
        return ALLOWED
    return {Status.NOT_FOUND if "order_id" in method.input_type.fields_by_name else Status.PERMISSION_DENIED}


def over_grpc(channel: grpc.Channel, method: MethodDescriptor, request: Message, caller: CallerKind) -> Status:
    """Call over gRPC; return the code, of a stream that of its first message."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    reply = GetMessageClass(method.output_type).FromString
    try:
        if method.server_streaming:
            call = channel.unary_stream(path, type(request).SerializeToString, reply)(
                request, metadata=caller.headers, timeout=CALL_SECONDS
            )
            next(call, None)
            call.cancel()
        else:
            channel.unary_unary(path, type(request).SerializeToString, reply)(
                request, metadata=caller.headers, timeout=CALL_SECONDS
            )
    except grpc.RpcError as error:
        return error.code()
    return Status.OK


def over_grpc_web(port: int, method: MethodDescriptor, request: Message, caller: CallerKind) -> Status:
    """Call over gRPC-Web; return the code, of a stream that of its first message."""
    data = request.SerializeToString()
    connection = HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
    framed = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", **dict(caller.headers)}
    try:
        path = f"/{method.containing_service.full_name}/{method.name}"
        connection.request("POST", path, b"\0" + struct.pack(">I", len(data)) + data, framed)
        reply = connection.getresponse()
        told = reply.getheader("grpc-status")
        if told is not None:
            return CODES[int(told)]
        head = reply.read(5)
        if head[:1] == b"\0":
            return Status.OK
        trailers = reply.read(struct.unpack(">I", head[1:])[0])
        found = re.search(rb"grpc-status: ?(\d+)", trailers)
        assert found, trailers
        return CODES[int(found[1])]
    finally:
        connection.close()


def over_rest(port: int, rule: HttpRule, request: Message, caller: CallerKind) -> int:
    """Call a REST form; return the HTTP status. A stream that ends with the key of another caller is opened again."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    for _ in range(ATTEMPTS):
        status = over_rest_once(port, rule, request, caller)
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            break
    return status


def over_rest_once(port: int, rule: HttpRule, request: Message, caller: CallerKind) -> HTTPStatus:
    """Call a REST form; return the HTTP status."""
    verb = str(rule.WhichOneof("pattern"))
    fields = json_format.MessageToDict(request, preserving_proto_field_name=True)
    path = re.sub(r"\{(\w+)\}", lambda found: str(fields.pop(found[1])), getattr(rule, verb))
    body = json.dumps(fields) if rule.body else None
    if not rule.body and fields:
        path += "?" + "&".join(f"{name}={value}" for name, value in fields.items())
    headers = {**({"content-type": "application/json"} if body else {}), **dict(caller.headers)}
    connection = HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
    try:
        connection.request(verb.upper(), path, body, headers)
        return HTTPStatus(connection.getresponse().status)
    finally:
        connection.close()


class Requests:
    """Valid requests of each method, for an order or customer that is the caller's own, or foreign."""

    def __init__(self, orders: dict[str, str]) -> None:
        # The ids of an order of each customer.
        self._orders = orders

    def of(self, method: MethodDescriptor, customer: str) -> Message:
        """Return a request that names the customer or its order, where the method knows one."""
        request = GetMessageClass(method.input_type)()
        item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
        order = orders_pb2.CreateOrderRequest(customer_id=customer, items=[item])
        plain = {
            "CreateOrderRequest": order,
            "BatchCreateOrdersRequest": orders_pb2.BatchCreateOrdersRequest(requests=[order]),
            "GetProductRequest": inventory_pb2.GetProductRequest(product_id="p1"),
            "RestockProductRequest": inventory_pb2.RestockProductRequest(product_id="p1", quantity=1),
            "CreateProductRequest": inventory_pb2.CreateProductRequest(
                product_id=f"made-{uuid.uuid4()}", name="made", price=1
            ),
            "GetDeadLetterRequest": dead_letters_pb2.GetDeadLetterRequest(dead_letter_id="outbox.0"),
            "ChangeDeadLettersRequest": dead_letters_pb2.ChangeDeadLettersRequest(
                filter=dead_letters_pb2.ListDeadLettersRequest(reason="none has it"), validate_only=True
            ),
            "ReconcileRequest": pipeline_pb2.ReconcileRequest(wait_seconds=1),
        }.get(method.input_type.name)
        if plain is not None:
            return plain
        if "order_id" in method.input_type.fields_by_name:
            request.order_id = self._orders[customer]
        elif "customer_id" in method.input_type.fields_by_name:
            request.customer_id = customer
        return request

    def customers(self, method: MethodDescriptor) -> tuple[str, ...]:
        """Return whose orders to call a method with."""
        return (OWN, FOREIGN) if method.GetOptions().Extensions[options_pb2.access].own_orders else (OWN,)
