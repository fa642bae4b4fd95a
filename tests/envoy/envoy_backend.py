"""What stands behind Envoy in these tests: real gRPC servers with canned answers, and pages, on Unix sockets."""

from __future__ import annotations

import itertools
import socketserver
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc

ORDERS = "ordermesh.orders.v1.OrderService"
ANALYTICS = "ordermesh.analytics.v1.AnalyticsService"
PIPELINE = "ordermesh.gateway.v1.PipelineService"
ORDER_ID = "019a0000-0000-7000-8000-000000000001"
CREATED_AT = timestamp_pb2.Timestamp(seconds=1_773_266_400)  # 2026-03-11T22:00:00Z
Context = grpc.ServicerContext


class Seen:
    """What reached a service: requests with their metadata, newest last."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, dict[str, str]]] = []
        self.cancelled = threading.Event()

    def note(self, request: Any, context: Context) -> None:
        """Remember a call."""
        self.calls.append((request, {key: str(value) for key, value in context.invocation_metadata()}))

    @property
    def request(self) -> Any:
        """The newest request."""
        return self.calls[-1][0]

    @property
    def metadata(self) -> dict[str, str]:
        """The newest request's metadata."""
        return self.calls[-1][1]


class Orders(orders_pb2_grpc.OrderServiceServicer):
    """Answers by the customer's name."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: Context) -> orders_pb2.Order:
        self.seen.note(request, context)
        if request.customer_id == "refused":
            context.abort_with_status(rpc_status.to_status(refusal()))
        if request.customer_id == "slow":
            context.add_callback(self.seen.cancelled.set)
            self.seen.cancelled.wait(20)
        total = sum(item.quantity * item.price for item in request.items)
        return order(request.customer_id, total, request.items)

    def CancelOrder(self, request: orders_pb2.CancelOrderRequest, context: Context) -> orders_pb2.Order:
        self.seen.note(request, context)
        return orders_pb2.Order(order_id=request.order_id, status=orders_pb2.Order.CANCELLED)

    def BatchCreateOrders(self, request: Any, context: Context) -> orders_pb2.BatchCreateOrdersResponse:
        self.seen.note(request, context)
        return orders_pb2.BatchCreateOrdersResponse(accepted_count=len(request.requests))

    def StreamOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> Iterator[orders_pb2.OrderSummary]:
        self.seen.note(request, context)
        if request.customer_id == "refused":
            context.abort_with_status(rpc_status.to_status(refusal()))
        context.send_initial_metadata((("link", '</orders?pageToken=abc>; rel="next"'),))
        for number in range(0 if request.customer_id == "nobody" else 2):
            yield orders_pb2.OrderSummary(
                order_id=f"id-{number}",
                customer_id="cust-123",
                status=orders_pb2.Order.CREATED,
                total_price=70,
                create_time=CREATED_AT,
            )

    def ListOrders(self, request: orders_pb2.ListOrdersRequest, context: Context) -> orders_pb2.ListOrdersResponse:
        self.seen.note(request, context)
        lines = [orders_pb2.OrderItem(product_id="p" * 60, quantity=1, price=1)] * 100
        return orders_pb2.ListOrdersResponse(orders=[order("cust-123", 100, lines)] * request.page_size)


def order(customer_id: str, total: float, items: Any) -> orders_pb2.Order:
    """Return a created order."""
    return orders_pb2.Order(
        order_id=ORDER_ID,
        customer_id=customer_id,
        status=orders_pb2.Order.CREATED,
        total_price=total,
        create_time=CREATED_AT,
        update_time=CREATED_AT,
        items=items,
    )


def refusal() -> status_pb2.Status:
    """Return an error with details, as the services send it."""
    info = error_details_pb2.ErrorInfo(reason="INVALID_FIELD", domain="ordermesh", metadata={"violations": "1"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="items[0].quantity", description="must be 1 or more")
    details = [any_pb2.Any(), any_pb2.Any()]
    details[0].Pack(info)
    details[1].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status_pb2.Status(
        code=3, message='1 field is invalid: items[0].quantity: must be "1" or more', details=details
    )


class Inventory(inventory_pb2_grpc.InventoryServiceServicer):
    """Knows every product."""

    def GetProduct(self, request: inventory_pb2.GetProductRequest, context: Context) -> inventory_pb2.Product:
        return inventory_pb2.Product(product_id=request.product_id, create_time=CREATED_AT)


class Ledger(ledger_pb2_grpc.OrderLedgerServiceServicer):
    """Must not be reached."""

    def GetOrderProgress(self, request: Any, context: Context) -> ledger_pb2.GetOrderProgressResponse:
        return ledger_pb2.GetOrderProgressResponse()


class Analytics(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Knows one order."""

    def GetSalesSummary(self, request: Any, context: Context) -> analytics_pb2.SalesSummary:
        return analytics_pb2.SalesSummary(orders_total=1)


class Pipeline(pipeline_pb2_grpc.PipelineServiceServicer):
    """Sends as many revisions as it is asked for in milliseconds; from 200 on, without end."""

    def __init__(self) -> None:
        self.left = threading.Event()

    def WatchStatus(self, request: Any, context: Context) -> Iterator[pipeline_pb2.WatchStatusResponse]:
        context.add_callback(self.left.set)
        endless = request.interval_ms >= 200
        for revision in itertools.count(1) if endless else range(1, request.interval_ms + 1):
            if endless and self.left.wait(0.05):
                return
            yield pipeline_pb2.WatchStatusResponse(revision=revision, status=pipeline_pb2.PipelineStatus())


class Page(BaseHTTPRequestHandler):
    """Answers with the path that was asked for."""

    def do_GET(self) -> None:
        self.wfile.write(self.answered())

    def do_HEAD(self) -> None:
        self.answered()

    def answered(self) -> bytes:
        """Send the headers and return the body that belongs to them."""
        body = f"page {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


class Pages(socketserver.ThreadingUnixStreamServer):
    """A page server on a Unix socket."""

    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("unix", 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a client that went away before its answer, as those of h2spec do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Breaking(socketserver.ThreadingUnixStreamServer):
    """A server that takes a request and hangs up."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), HangUp)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class HangUp(socketserver.BaseRequestHandler):
    """Reads something and ends."""

    def handle(self) -> None:
        self.request.recv(65536)


class Backend:
    """All services, each on its socket in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = Seen()
        self.pipeline = Pipeline()
        self.health: list[health.HealthServicer] = []
        self.servers = [self.orders(0), self.orders(1), self.analytics(), self.gateway()]
        self.pages = Pages(str(folder / "gateway-http.sock"), Page)
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()

    def serve(self, name: str, service: str) -> grpc.Server:
        """Return a started server that is healthy for one service."""
        server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", 2**23)])
        healthy = health.HealthServicer()
        healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        server.add_insecure_port(f"unix:{self.folder / name}.sock")
        self.health.append(healthy)
        return server

    def orders(self, index: int) -> grpc.Server:
        """Return an orders process."""
        server = self.serve(f"orders-{index}", ORDERS)
        orders_pb2_grpc.add_OrderServiceServicer_to_server(Orders(self.seen), server)
        inventory_pb2_grpc.add_InventoryServiceServicer_to_server(Inventory(), server)
        ledger_pb2_grpc.add_OrderLedgerServiceServicer_to_server(Ledger(), server)
        server.start()
        return server

    def analytics(self) -> grpc.Server:
        """Return the analytics process."""
        server = self.serve("analytics", ANALYTICS)
        analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(Analytics(), server)
        server.start()
        return server

    def gateway(self) -> grpc.Server:
        """Return the gateway process."""
        server = self.serve("gateway", PIPELINE)
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(self.pipeline, server)
        reflection.enable_server_reflection([PIPELINE, reflection.SERVICE_NAME], server)
        server.start()
        return server

    def say_healthy(self, index: int, service: str, *, serving: bool) -> None:
        """Change the health of one server."""
        status = health_pb2.HealthCheckResponse
        self.health[index].set(service, status.SERVING if serving else status.NOT_SERVING)

    def stop(self) -> None:
        """Stop everything."""
        for server in self.servers:
            server.stop(0).wait()
        self.pages.shutdown()
        self.pages.server_close()
