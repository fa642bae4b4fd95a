"""The platform as its clients see it: curl, gRPC by reflection, and what the databases hold behind it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from waiting import await_true

from stack.machine.ports import LOOPBACK
from stack.running_stack import RunningStack

CALL_SECONDS = 15.0
JSON = "content-type: application/json"
ITEM = {"productId": "p1", "quantity": 2, "price": 10}


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def curl(url: str, *options: str, data: bytes | None = None) -> Answer:
    """Ask with curl; `data` is the request's body as it is."""
    body = ["--data-binary", "@-"] if data is not None else []
    command = ["curl", "-sS", "-g", "-i", "--max-time", "20", "-H", "expect:", *body, *options, url]
    output = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    head, _, rest = output.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value for name, value in pairs}, rest)


class Platform:
    """A running stack with the clients of its front proxy, or of another one on this port."""

    def __init__(self, stack: RunningStack, port: int | None = None) -> None:
        self.stack = stack
        self.rest = stack.rest if port is None else f"http://{LOOPBACK}:{port}"
        self.channel = grpc.insecure_channel(stack.grpc if port is None else f"{LOOPBACK}:{port}")
        self.pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))

    def curl(self, path: str, *options: str, data: bytes | None = None) -> Answer:
        """Ask the front proxy with curl."""
        return curl(self.rest + path, *options, data=data)

    def post(self, path: str, body: object, *options: str) -> Answer:
        """Send JSON with curl."""
        return self.curl(path, "-H", JSON, *options, data=json.dumps(body).encode())

    def order(self, customer: str = "cust-e2e", **more: object) -> dict[str, Any]:
        """Create an order over REST and return the reply."""
        answer = self.post("/orders", {"customerId": customer, "items": [ITEM], **more})
        assert answer.status == 200, answer
        reply: dict[str, Any] = answer.json
        return reply

    def services(self) -> list[str]:
        """Return the services that reflection lists."""
        return sorted(ProtoReflectionDescriptorDatabase(self.channel).get_services())

    def service(self, name: str) -> ServiceDescriptor:
        """Return a service as reflection describes it."""
        return self.pool.FindServiceByName(name)

    def call(self, method: MethodDescriptor, request: dict[str, Any], metadata: Any = ()) -> dict[str, Any]:
        """Call a method with what reflection says of it, and return the first reply as JSON has it."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        kind = GetMessageClass(method.output_type)
        message = json_format.ParseDict(request, GetMessageClass(method.input_type)())
        open_call = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        ask: Any = open_call(path, request_serializer=serialized, response_deserializer=kind.FromString)
        reply = ask(message, timeout=CALL_SECONDS, metadata=metadata)
        if method.server_streaming:
            stream, reply = reply, next(reply)
            stream.cancel()
        return json_format.MessageToDict(reply, always_print_fields_with_no_presence=True)

    def one(self, database: str, query: Any, *values: object) -> Any:
        """Return the first row of a query in one of the databases."""
        with psycopg.connect(self.stack.context.dsn(f"{database}_owner")) as connection:
            return connection.execute(query, values).fetchone()

    def stored(self) -> tuple[object, ...]:
        """Return how much the orders database holds: whatever a request changes shows in it."""
        row: tuple[object, ...] = self.one(
            "orders",
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM event_outbox), (SELECT count(*) FROM product),"
            " (SELECT count(*) FROM order_request), (SELECT count(*) FROM idempotency_request),"
            " (SELECT sum(stock) FROM product), (SELECT sum(sequence) FROM orders)",
        )
        return row

    def reconcile(self) -> str:
        """Return the verdict of the platform on itself, once nothing is on its way."""
        stub = pipeline_pb2_grpc.PipelineServiceStub(self.channel)  # type: ignore[no-untyped-call]
        request = pipeline_pb2.ReconcileRequest(wait_seconds=30)
        answers: list[Any] = []

        def settled() -> bool:
            answers.append(stub.Reconcile(request, timeout=60))
            return bool(answers[-1].verdict != answers[-1].IN_FLIGHT)

        await_true(settled, "nothing is on its way")
        return f"{answers[-1].Verdict.Name(answers[-1].verdict)} {[one.message for one in answers[-1].findings]}"

    def access_lines(self, request_id: str) -> list[dict[str, Any]]:
        """Return the lines of Envoy's access log about a request."""
        return [line for line in self.log_lines("access") if line.get("http.request.id") == request_id]

    def log_lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of a JSON log."""
        for line in (self.stack.stack.state.logs / f"{name}.log").read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def serialized(message: Message) -> bytes:
    """Return the message as it is sent."""
    return message.SerializeToString()


def rest_form(method: MethodDescriptor, request: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return verb, path and the fields that are left of a request, as the contract's google.api.http says."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb, path = ("GET", rule.get) if rule.get else ("POST", rule.post)
    left = dict(request)
    for field in method.input_type.fields:
        place = f"{{{field.name}}}"
        if place in path:
            path = path.replace(place, str(left.pop(field.json_name)))
    return verb, path, left
