"""The closed-model loads: requests, protocols, and the number of concurrent calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.loads import bodies

GRPC_HEADERS = ("content-type: application/grpc", "te: trailers")
SERVICE = "/ordermesh.orders.v1.OrderService"
BATCH = 100


@dataclass(frozen=True)
class Load:
    """A load of identical calls; `connections` times `streams` are in flight."""

    name: str
    path: str
    body: Callable[[], bytes]
    headers: tuple[str, ...]
    connections: int
    streams: int
    http1: bool = False
    tls: bool = False
    orders_per_call: int = 1


# As many calls at a time as the front proxy always lets through (LEAST_ORDERS_AT_A_TIME): none is refused.
GRPC = Load("grpc", f"{SERVICE}/CreateOrder", bodies.grpc_body, GRPC_HEADERS, connections=8, streams=16)
REST = Load(
    "rest",
    "/orders",
    bodies.rest_body,
    ("content-type: application/json",),
    connections=128,
    streams=1,
    http1=True,
)
# The same in flight, over few connections, whose rate can be set.
REST_HTTP2 = replace(REST, name="rest over HTTP/2", connections=8, streams=16, http1=False)
BATCHES = Load(
    "batch",
    f"{SERVICE}/BatchCreateOrders",
    lambda: bodies.batch_body(BATCH),
    GRPC_HEADERS,
    # Four batches are within the admission limit of a process (ORDERMESH_ORDERS_MAX_IN_FLIGHT): none is refused.
    connections=2,
    streams=2,
    orders_per_call=BATCH,
)
