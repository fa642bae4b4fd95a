"""WatchService: streams of order changes and of totals, with a limit on concurrent streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.gateway.v1 import watch_pb2_grpc
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision

from gateway.backends.stream_credentials import StreamCredentials
from gateway.watch.metrics_stream import MetricsStream, TotalsSource
from gateway.watch.order_topic import OrderTopic
from gateway.watch.orders_stream import OrdersStream
from gateway.watch.revision import Revision, Revisions
from gateway.watch.stream_end import while_valid, with_end_message
from runtime.grpc import field_rules
from runtime.identity import caller
from runtime.identity.client_key import client_key
from runtime.identity.shares import Shares
from runtime.telemetry import metrics
from runtime.tokens.opaque_token import OpaqueTokens

SERVICE = pb.DESCRIPTOR.services_by_name["WatchService"].full_name
ORDERS_HEARTBEAT_MS = field_rules.number(pb.WatchOrdersRequest, "heartbeat_ms")
METRICS_HEARTBEAT_MS = field_rules.number(pb.WatchMetricsRequest, "heartbeat_ms")
METRICS_INTERVAL_MS = field_rules.number(pb.WatchMetricsRequest, "interval_ms")
LAST_EVENT_ID = "last-event-id"


class WatchService(watch_pb2_grpc.WatchServiceServicer):
    """Opens a stream for each request."""

    def __init__(
        self,
        log: OrderTopic,
        totals: TotalsSource,
        tokens: OpaqueTokens,
        places: Shares,
        stop: asyncio.Event,
        credentials: StreamCredentials,
    ) -> None:
        self._log = log
        self._totals = totals
        self._orders_revisions = Revisions(tokens, f"{SERVICE}/WatchOrders", OrdersRevision)
        self._metrics_revisions = Revisions(tokens, f"{SERVICE}/WatchMetrics", MetricsRevision)
        self._places = places
        self._stop = stop
        self._credentials = credentials
        for method in pb.DESCRIPTOR.services_by_name["WatchService"].methods_by_name:
            metrics.WATCH_STREAMS.labels(method)

    async def WatchOrders(self, request: pb.WatchOrdersRequest, context: Any) -> AsyncIterator[pb.WatchOrdersResponse]:
        """Stream order changes until the client leaves, has to show its credentials again, or the gateway drains."""
        heartbeat_ms = ORDERS_HEARTBEAT_MS.value(request.heartbeat_ms)
        customer_id = caller.current().own_customer_id(request.customer_id)
        stream = OrdersStream(self._log, self._orders_revisions, self._stop, customer_id, heartbeat_ms / 1000)
        with self._admitted("WatchOrders", context):
            messages = stream.messages(after_revision(request, context, self._orders_revisions))
            messages = while_valid(messages, self._credentials.begin())
            async with aclosing(with_end_message(messages, orders_ended)) as sending:
                async for message in sending:
                    yield message

    async def WatchMetrics(
        self, request: pb.WatchMetricsRequest, context: Any
    ) -> AsyncIterator[pb.WatchMetricsResponse]:
        """Stream the totals as they change, until an end as that of WatchOrders."""
        interval_ms = METRICS_INTERVAL_MS.value(request.interval_ms)
        heartbeat_ms = METRICS_HEARTBEAT_MS.value(request.heartbeat_ms)
        stream = MetricsStream(
            self._totals, self._metrics_revisions, self._stop, interval_ms / 1000, heartbeat_ms / 1000
        )
        with self._admitted("WatchMetrics", context):
            messages = stream.messages(after_revision(request, context, self._metrics_revisions))
            messages = while_valid(messages, self._credentials.begin())
            async with aclosing(with_end_message(messages, metrics_ended)) as sending:
                async for message in sending:
                    yield message

    @contextmanager
    def _admitted(self, method: str, context: Any) -> Iterator[None]:
        """Count a stream. Raises Overloaded when its client has its share, or no place is left."""
        with self._places.hold(client_key(context.invocation_metadata())):
            metrics.WATCH_STREAMS.labels(method).inc()
            try:
                yield
            finally:
                metrics.WATCH_STREAMS.labels(method).dec()


def after_revision(
    request: pb.WatchOrdersRequest | pb.WatchMetricsRequest, context: Any, revisions: Revisions[Revision]
) -> Revision | None:
    """Return the revision to resume from: EventSource clients send it in a header when they reconnect."""
    metadata = dict(context.invocation_metadata() or ())
    if header := metadata.get(LAST_EVENT_ID):
        return revisions.decode(header, LAST_EVENT_ID)
    return revisions.decode(request.after_revision, "after_revision") if request.after_revision else None


def orders_ended(last: pb.WatchOrdersResponse, ended: pb.Ended) -> pb.WatchOrdersResponse:
    """Return the end of a stream of order changes after its last message."""
    return pb.WatchOrdersResponse(revision=last.revision, ended=ended)


def metrics_ended(last: pb.WatchMetricsResponse, ended: pb.Ended) -> pb.WatchMetricsResponse:
    """Return the end of a stream of totals after its last message."""
    return pb.WatchMetricsResponse(revision=last.revision, ended=ended)
