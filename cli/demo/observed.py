"""The end of `ordermesh demo --observe`: the trace of one order, and a graph of all of them, to be opened."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import signal
import sys
import threading
from dataclasses import dataclass
from urllib.parse import quote

import grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from cli.output.terminal import console
from cli.target import FrontProxy
from stack.machine.http_probe import http_get
from stack.observe.front import USER
from stack.observe.observation import Observation, link
from stack.processes.waiting import wait_until

GRAPH = "sum by (status) (rate(ordermesh_orders_accepted_total[1m]))"
GRAPH_RANGE = "15m"
# The services whose spans the trace of an order has: it is complete once it was counted.
THROUGH = {"envoy", "orders", "publisher", "processor"}
TRACE_SECONDS, ANSWER_SECONDS = 30.0, 5.0


@dataclass(frozen=True)
class ObserveFront:
    """What people reach of an observation: its port and login."""

    observation: Observation

    def get(self, path: str) -> bytes | None:
        """Return the body of a path, None for any other answer than 200."""
        login = base64.b64encode(f"{USER}:{self.observation.password}".encode()).decode()
        headers = {"authorization": f"Basic {login}"}
        answer = http_get(self.observation.front_port, path, ANSWER_SECONDS, headers=headers)
        return answer[1] if answer is not None and answer[0] == http.client.OK else None

    def link(self, path: str) -> str:
        """Return the address of a path with the login."""
        return link(self.observation.address, self.observation.password, path)

    def services(self, trace_id: str) -> set[str]:
        """Return the services that have spans in a trace."""
        spans = json.loads(self.get(f"/zipkin/api/v2/trace/{trace_id}") or b"[]")
        return {span.get("localEndpoint", {}).get("serviceName", "") for span in spans}


def show(front: FrontProxy, observation: Observation) -> None:
    """Place an order whose trace is sampled, wait until it was counted, and print what to open."""
    observed, trace_id = ObserveFront(observation), secrets.token_hex(16)
    order_id = place(front, trace_id)
    seen = wait_until(lambda: observed.services(trace_id) >= THROUGH, TRACE_SECONDS, poll_seconds=0.5)
    if seen:
        console.print(f"trace of order {order_id}: {observed.link(f'/zipkin/traces/{trace_id}')}", soft_wrap=True)
    else:
        lacks = ", ".join(sorted(THROUGH - observed.services(trace_id)))
        console.print(f"the trace {trace_id} of order {order_id} has no span of {lacks}", style="yellow")
    graph = f"/prometheus/graph?g0.expr={quote(GRAPH)}&g0.tab=0&g0.range_input={GRAPH_RANGE}"
    console.print(f"graph of accepted orders: {observed.link(graph)}", soft_wrap=True)


def place(front: FrontProxy, trace_id: str) -> str:
    """Place an order with a trace that its client samples, and return its id."""
    traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    item = orders_pb2.OrderItem(product_id="p1", quantity=2, price=10)
    request = orders_pb2.CreateOrderRequest(customer_id="cust-observed", items=[item])
    with front.channel() as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        metadata = (("traceparent", traceparent),)
        try:
            return str(stub.CreateOrder(request, timeout=ANSWER_SECONDS, metadata=metadata).order_id)
        except grpc.RpcError as error:
            return f"(refused: {error.code().name})"


def wait_for_the_person() -> None:
    """Keep everything running until Ctrl-C where a person reads this; elsewhere return at once."""
    if not sys.stdin.isatty():
        return
    console.print("open them now; Ctrl-C stops everything")
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    stopped.wait()
