"""The Python client of ordermesh.

`Client` blocks, `AsyncClient` is for asyncio; both have the same methods. Every call has a deadline of ten seconds for
all its attempts, unless set otherwise (`reconcile`: its wait plus 30 seconds; `watch_*`: none). A call that failed with
UNAVAILABLE, or was refused with a retry delay, is retried with the same request id; a call that fails raises an
`OrdermeshError`.
"""

from ordermesh.analytics.v1.analytics_pb2 import Metric, SalesSummary, TopProductsRequest
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse, WatchStatusResponse
from ordermesh.gateway.v1.watch_pb2 import WatchMetricsResponse, WatchOrdersResponse
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.inventory_pb2 import Product, RestockProductResponse
from ordermesh.orders.v1.orders_pb2 import Order, OrderItem, OrderSummary

from ordermesh_client.aio import AsyncClient
from ordermesh_client.calls import BatchResult, NewOrder
from ordermesh_client.client import Client
from ordermesh_client.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    OrdermeshError,
    Overloaded,
    PermissionDenied,
    ServerFault,
    Unauthenticated,
    Unavailable,
    Violation,
)
from ordermesh_client.retry import NEVER, RetryPolicy

__all__ = [
    "NEVER",
    "AlreadyExists",
    "AsyncClient",
    "BatchResult",
    "Client",
    "DeadlineExceeded",
    "ErrorReason",
    "FailedPrecondition",
    "InvalidRequest",
    "Metric",
    "NewOrder",
    "NotFound",
    "Order",
    "OrderItem",
    "OrderSummary",
    "OrdermeshError",
    "Overloaded",
    "PermissionDenied",
    "PipelineStatus",
    "Product",
    "ReconcileResponse",
    "RestockProductResponse",
    "RetryPolicy",
    "SalesSummary",
    "ServerFault",
    "TopProductsRequest",
    "Unauthenticated",
    "Unavailable",
    "Violation",
    "WatchMetricsResponse",
    "WatchOrdersResponse",
    "WatchStatusResponse",
]
