"""A gRPC server that refuses calls as a test sets it to, and records the request ids it received."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc, watch_pb2, watch_pb2_grpc
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def refusal(code: grpc.StatusCode, reason: str = "", retry_ms: int | None = None) -> Status:
    status = Status(code=code.value[0], message="refused by the test")
    if reason:
        status.details.add().Pack(ErrorInfo(reason=reason, domain="ordermesh"))
    if retry_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(retry_ms)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


class FaultyServer(
    orders_pb2_grpc.OrderServiceServicer,
    inventory_pb2_grpc.InventoryServiceServicer,
    pipeline_pb2_grpc.PipelineServiceServicer,
    watch_pb2_grpc.WatchServiceServicer,
):
    def __init__(self) -> None:
        self.refusals: deque[Status] = deque()
        self.silent = False
        self.released = Event()
        self.request_ids: list[str] = []
        self.calls = 0
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        orders_pb2_grpc.add_OrderServiceServicer_to_server(self, self._server)
        inventory_pb2_grpc.add_InventoryServiceServicer_to_server(self, self._server)
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(self, self._server)
        watch_pb2_grpc.add_WatchServiceServicer_to_server(self, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self.released.set()
        self._server.stop(None).wait()

    def _refuse(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        if self.silent:
            self.released.wait()
        context.send_initial_metadata((("traceparent", TRACEPARENT),))
        if self.refusals:
            context.abort_with_status(rpc_status.to_status(self.refusals.popleft()))

    def CreateOrder(self, request: orders_pb2.CreateOrderRequest, context: grpc.ServicerContext) -> orders_pb2.Order:
        self.request_ids.append(request.request_id)
        self._refuse(context)
        return orders_pb2.Order(order_id="o-1", customer_id=request.customer_id)

    def CreateProduct(
        self, request: inventory_pb2.CreateProductRequest, context: grpc.ServicerContext
    ) -> inventory_pb2.Product:
        self.request_ids.append(request.request_id)
        self._refuse(context)
        return inventory_pb2.Product(product_id=request.product_id)

    def RestockProduct(
        self, request: inventory_pb2.RestockProductRequest, context: grpc.ServicerContext
    ) -> inventory_pb2.RestockProductResponse:
        self.request_ids.append(request.request_id)
        self._refuse(context)
        return inventory_pb2.RestockProductResponse()

    def CancelOrder(self, request: orders_pb2.CancelOrderRequest, context: grpc.ServicerContext) -> orders_pb2.Order:
        self.request_ids.append(request.request_id)
        self._refuse(context)
        return orders_pb2.Order(order_id=request.order_id)

    CompletePayment = ShipOrder = CancelOrder

    def WatchStatus(self, request: pipeline_pb2.WatchStatusRequest, context: grpc.ServicerContext):
        for revision in (1, 2):
            yield pipeline_pb2.WatchStatusResponse(revision=revision)
        context.abort(grpc.StatusCode.UNAVAILABLE, "the stream broke")

    def WatchOrders(self, request: watch_pb2.WatchOrdersRequest, context: grpc.ServicerContext):
        last = int(request.after_revision or 0)
        for revision in (last + 1, last + 2):
            yield watch_pb2.WatchOrdersResponse(revision=str(revision))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the stream broke")
