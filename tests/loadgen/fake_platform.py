"""A small platform in this process: orders over REST and gRPC on one port, with the faults that a test asks for."""

import json
import random
import socket
import socketserver
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

HTTP_STATUS = {code_pb2.UNAVAILABLE: 503, code_pb2.RESOURCE_EXHAUSTED: 429, code_pb2.INVALID_ARGUMENT: 400}
Verdict = pipeline_pb2.ReconcileResponse


class ReplyLost(Exception):
    """The connection breaks before the reply is sent."""


@dataclass(frozen=True)
class Refusal(Exception):
    """The order is refused."""

    code: int
    reason: str

    def status(self) -> status_pb2.Status:
        status = status_pb2.Status(code=self.code, message="refused")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain="ordermesh"))
        return status


def new_order_id() -> str:
    """Make a UUIDv7 (RFC 9562): 48 bits of milliseconds, the version, and what is random."""
    value = (time.time_ns() // 1_000_000 << 80) | 7 << 76 | 2 << 62 | random.getrandbits(62)
    return str(uuid.UUID(int=value))


@dataclass
class Platform:
    """What is stored, and how calls go wrong: `before_store` and `after_store` get the request id and may raise."""

    port: int = 0
    orders: dict[str, orders_pb2.CreateOrderRequest] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    before_store: Callable[[str], None] = lambda request_id: None
    after_store: Callable[[str], None] = lambda request_id: None
    verdict: Verdict.Verdict = Verdict.AGREES
    findings: list[str] = field(default_factory=lambda: ["2 events are lost"])
    miscounted_orders: int = 0
    # Under their ids: those of the orders above by request id, and all that are stored.
    order_ids: dict[str, str] = field(default_factory=dict)
    stored: dict[str, orders_pb2.CreateOrderRequest] = field(default_factory=dict)
    # How long the oldest event has waited in the outbox; and whether another client makes an order at each look.
    oldest_pending_seconds: float = 3600.0
    busy: bool = False
    stored_one: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def target(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def attempt(self, request_id: str) -> int:
        """Return which attempt at this order is being made: 1, 2, …"""
        return self.attempts[request_id]

    def create(self, request: orders_pb2.CreateOrderRequest) -> orders_pb2.Order:
        with self.lock:
            self.attempts[request.request_id] += 1
        self.before_store(request.request_id)
        with self.lock:
            if request.request_id not in self.orders:
                self.order_ids[request.request_id] = self.store(request)
            known = self.orders.setdefault(request.request_id, request)
        assert known == request, "a request id was used again with other content"
        self.stored_one.set()
        self.after_store(request.request_id)
        return orders_pb2.Order(order_id=self.order_ids[request.request_id], customer_id=request.customer_id)

    def store(self, request: orders_pb2.CreateOrderRequest) -> str:
        """Store an order, whoever makes it."""
        order_id = new_order_id()
        self.stored[order_id] = request
        return order_id

    def store_others(self) -> str:
        """Store an order of another client."""
        line = orders_pb2.OrderItem(product_id="p1", quantity=1, price=0.01)
        return self.store(orders_pb2.CreateOrderRequest(customer_id="somebody-else", items=[line]))

    def summary(self) -> analytics_pb2.SalesSummary:
        with self.lock:
            orders = list(self.stored.values())
        revenue_minor = sum(round(item.price * 100) * item.quantity for order in orders for item in order.items)
        counted = len(orders) + (self.miscounted_orders if orders else 0)
        return analytics_pb2.SalesSummary(orders_total=counted, revenue_total=revenue_minor / 100)


def stored_order(order_id: str, request: orders_pb2.CreateOrderRequest) -> orders_pb2.Order:
    total_minor = sum(round(item.price * 100) * item.quantity for item in request.items)
    return orders_pb2.Order(order_id=order_id, customer_id=request.customer_id, total_price=total_minor / 100)


class OrderService(orders_pb2_grpc.OrderServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: grpc.ServicerContext) -> orders_pb2.Order:
        try:
            return self.platform.create(request)
        except Refusal as refusal:
            context.abort_with_status(rpc_status.to_status(refusal.status()))
        except ReplyLost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def ListOrders(self, request: Any, context: grpc.ServicerContext) -> orders_pb2.ListOrdersResponse:
        since_ms = request.start_time.ToMilliseconds()
        with self.platform.lock:
            found = [one for one in self.platform.stored.items() if int(one[0].replace("-", "")[:12], 16) >= since_ms]
        at = int(request.page_token or 0)
        page = [stored_order(*one) for one in found[at : at + request.page_size]]
        more = str(at + len(page)) if at + len(page) < len(found) else ""
        return orders_pb2.ListOrdersResponse(orders=page, next_page_token=more)

    def GetOrder(self, request: orders_pb2.GetOrderRequest, context: grpc.ServicerContext) -> orders_pb2.Order:
        if request.order_id not in self.platform.stored:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        return stored_order(request.order_id, self.platform.stored[request.order_id])

    def BatchCreateOrders(
        self, request: orders_pb2.BatchCreateOrdersRequest, context: grpc.ServicerContext
    ) -> orders_pb2.BatchCreateOrdersResponse:
        response = orders_pb2.BatchCreateOrdersResponse()
        for one in request.requests:
            try:
                order = self.platform.create(one)
                response.results.add(order=orders_pb2.OrderSummary(order_id=order.order_id))
            except Refusal as refusal:
                response.results.add(error=refusal.status())
            except ReplyLost:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return response


class PipelineService(pipeline_pb2_grpc.PipelineServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def Reconcile(self, request: pipeline_pb2.ReconcileRequest, context: grpc.ServicerContext) -> Verdict:
        response = Verdict(verdict=Verdict.AGREES, summary="agrees")
        if self.platform.stored and self.platform.verdict != Verdict.AGREES:
            response = Verdict(verdict=self.platform.verdict, summary="not yet", in_flight=3)
        if response.verdict == Verdict.DIFFERS:
            response.in_flight = 0
            for message in self.platform.findings:
                response.findings.add(kind=Verdict.Finding.LOST, message=message)
        return response

    def GetStatus(self, request: Any, context: grpc.ServicerContext) -> pipeline_pb2.PipelineStatus:
        if self.platform.busy:
            self.platform.store_others()
        status = pipeline_pb2.PipelineStatus()
        status.intake.orders_total = len(self.platform.stored)
        if self.platform.verdict == Verdict.IN_FLIGHT:
            status.outbox.pending = 3
            status.outbox.oldest_pending_seconds = self.platform.oldest_pending_seconds
        return status


class AnalyticsService(analytics_pb2_grpc.AnalyticsServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def GetSalesSummary(self, request: Any, context: grpc.ServicerContext) -> analytics_pb2.SalesSummary:
        return self.platform.summary()


class FrontHandler(socketserver.BaseRequestHandler):
    """Serves REST itself and passes HTTP/2 on to the gRPC server, as Envoy's one port does."""

    def handle(self) -> None:
        connection: socket.socket = self.request
        first = connection.recv(3, socket.MSG_PEEK | socket.MSG_WAITALL)
        if first == b"PRI":
            self._pass_on(connection)
        else:
            self._serve(connection)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.server.grpc_port)) as upstream:
            back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
            back.start()
            _copy(client, upstream)
            back.join()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while stream.readline():
            headers = dict(line.lower().rstrip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            body = stream.read(int(headers[b"content-length"]))
            try:
                status, reply = self._create(body)
            except ReplyLost:
                return
            connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(reply), reply))

    def _create(self, body: bytes) -> tuple[int, bytes]:
        given = json.loads(body)
        request = orders_pb2.CreateOrderRequest(customer_id=given["customerId"], request_id=given["requestId"])
        for item in given["items"]:
            request.items.add(product_id=item["productId"], quantity=item["quantity"], price=item["price"])
        try:
            order = self.server.platform.create(request)
        except Refusal as refusal:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.reason}
            error = {"code": refusal.code, "message": "refused", "details": [info]}
            return HTTP_STATUS[refusal.code], json.dumps(error).encode()
        return 200, json.dumps({"orderId": order.order_id}).encode()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Front(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class RunningPlatform:
    """Starts the servers of a platform and stops them."""

    def __init__(self) -> None:
        self.platform = Platform()
        self._grpc = grpc.server(ThreadPoolExecutor(16))
        orders_pb2_grpc.add_OrderServiceServicer_to_server(OrderService(self.platform), self._grpc)
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(PipelineService(self.platform), self._grpc)
        analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(AnalyticsService(self.platform), self._grpc)
        self._front = Front(("127.0.0.1", 0), FrontHandler)
        self._front.platform = self.platform
        self._front.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self.platform.port = self._front.server_address[1]

    def __enter__(self) -> Platform:
        self._grpc.start()
        threading.Thread(target=self._front.serve_forever, args=(0.05,), daemon=True).start()
        return self.platform

    def __exit__(self, *_: object) -> None:
        self._front.shutdown()
        self._front.server_close()
        self._grpc.stop(None)
