"""Asks the orders and analytics services over their internal ledgers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthRequest, GetProcessHealthResponse
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.pipeline.component_states import Process
from gateway.reconciliation.comparison import Ids, Minute, by_minute
from runtime import errors

Answer = TypeVar("Answer")

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The services are on loopback or in the same network: a proxy of the environment is not for them.
    ("grpc.enable_http_proxy", 0),
]
LEDGER_SECONDS = 300.0
# Another process may answer.
BUSY_OR_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
ID_BYTES = 16
FIND_LIMIT = 10_000


@dataclass(frozen=True)
class OrderLedger:
    """What the orders database said at one snapshot."""

    pending: int
    dead: Ids
    minutes: dict[int, Minute]
    # Minutes before this one may be gone from the outbox.
    complete_since: int = 0


@dataclass(frozen=True)
class AnalyticsLedger:
    """What the analytics database said at one snapshot."""

    parked: int
    minutes: dict[int, Minute]
    # Minutes before this one may be gone from the counted events.
    complete_since: int = 0


class Backend:
    """One service behind one or more targets, any of which may answer."""

    def __init__(self, targets: Sequence[str], stub: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channels = [grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) for target in targets]
        self._stubs = [stub(channel) for channel in self._channels]
        self._processes: list[Any] = [process_pb2_grpc.ProcessServiceStub(channel) for channel in self._channels]
        self._health: list[Any] = [health_pb2_grpc.HealthStub(channel) for channel in self._channels]

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()

    async def one(self, method: str, request: Message, kind: type[Answer], seconds: float = LEDGER_SECONDS) -> Answer:
        """Return the answer of a unary method, an instance of `kind`."""

        async def ask(stub: Any) -> Answer:
            answer: Answer = await getattr(stub, method)(request, timeout=seconds)
            return answer

        return await self._ask(ask)

    async def all(self, method: str, request: Message, kind: type[Answer]) -> list[Answer]:
        """Return all that a streaming method sends, instances of `kind`."""

        async def ask(stub: Any) -> list[Answer]:
            return [part async for part in getattr(stub, method)(request, timeout=LEDGER_SECONDS)]

        return await self._ask(ask)

    async def _ask(self, ask: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Ask one target after the other until one is there. Raises grpc.aio.AioRpcError of the last one."""
        for stub in self._stubs[:-1]:
            try:
                return await ask(stub)
            except grpc.aio.AioRpcError as error:
                if error.code() not in BUSY_OR_GONE:
                    raise
        return await ask(self._stubs[-1])

    async def processes(self, timeout_seconds: float, explain: Callable[[grpc.aio.AioRpcError], str]) -> list[Process]:
        """Return how each target is."""

        async def ask(stub: Any) -> Process:
            try:
                return Process(await stub.GetProcessHealth(GetProcessHealthRequest(), timeout=timeout_seconds))
            except grpc.aio.AioRpcError as error:
                # One of an earlier version answers, and says nothing of itself.
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    return Process(GetProcessHealthResponse())
                return Process(problem=explain(error))

        return list(await asyncio.gather(*map(ask, self._processes)))

    async def serves(self, service: str, timeout_seconds: float) -> bool:
        """Tell whether any target says that it serves the service."""
        request = health_pb2.HealthCheckRequest(service=service)
        for stub in self._health:
            try:
                answer = await stub.Check(request, timeout=timeout_seconds)
            except grpc.aio.AioRpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return True
        return False


class Orders(Backend):
    """The orders service's ledger."""

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__(targets, ledger_pb2_grpc.OrderLedgerServiceStub)

    async def progress(self, timeout_seconds: float) -> pb.GetOrderProgressResponse:
        """Return how far storing and publishing have come."""
        request = pb.GetOrderProgressRequest()
        return await self.one("GetOrderProgress", request, pb.GetOrderProgressResponse, timeout_seconds)

    async def ledger(self) -> OrderLedger:
        """Return what is published, by minute, and what is not."""
        request = pb.StreamOrderLedgerRequest()
        parts = await self.all("StreamOrderLedger", request, pb.StreamOrderLedgerResponse)
        dead_ids = tuple(event_id for part in parts for event_id in part.dead_ids)
        return OrderLedger(
            pending=sum(part.pending for part in parts),
            dead=Ids(sum(part.dead for part in parts), dead_ids),
            minutes=by_minute(one for part in parts for one in part.minutes),
            complete_since=max((part.coverage_start_time.seconds for part in parts), default=0),
        )

    async def published_ids(self, minute: int) -> set[bytes]:
        """Return the ids of the published events of a minute."""
        request = pb.StreamPublishedIdsRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.all("StreamPublishedIds", request, pb.StreamPublishedIdsResponse)
        return {event_id for part in parts for event_id in split_ids(part.event_ids)}

    async def known(self, event_ids: Collection[bytes]) -> set[bytes]:
        """Return those of the events that the outbox knows, whatever their status."""
        found: set[bytes] = set()
        ordered = sorted(event_ids)
        for start in range(0, len(ordered), FIND_LIMIT):
            request = pb.FindEventsRequest(event_ids=b"".join(ordered[start : start + FIND_LIMIT]))
            answer = await self.one("FindEvents", request, pb.FindEventsResponse)
            found.update(split_ids(answer.event_ids))
        return found

    async def product_sums(self) -> list[pb.ProductSum]:
        """Return what was ordered of each product, from the orders themselves."""
        request = pb.StreamProductSumsRequest()
        parts = await self.all("StreamProductSums", request, pb.StreamProductSumsResponse)
        return [one for part in parts for one in part.products]


class Analytics(Backend):
    """The analytics service's ledger."""

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__(targets, ledger_pb2_grpc.AnalyticsLedgerServiceStub)

    async def progress(self, timeout_seconds: float) -> pb.GetAnalyticsProgressResponse:
        """Return how far counting has come."""
        request = pb.GetAnalyticsProgressRequest()
        return await self.one("GetAnalyticsProgress", request, pb.GetAnalyticsProgressResponse, timeout_seconds)

    async def ledger(self) -> AnalyticsLedger:
        """Return what is counted, by minute, and how much is set aside."""
        request = pb.StreamAnalyticsLedgerRequest()
        parts = await self.all("StreamAnalyticsLedger", request, pb.StreamAnalyticsLedgerResponse)
        minutes = by_minute(one for part in parts for one in part.minutes)
        since = max((part.coverage_start_time.seconds for part in parts), default=0)
        return AnalyticsLedger(sum(part.dead_letters for part in parts), minutes, since)

    async def counted_ids(self, minute: int) -> tuple[set[bytes], set[bytes]]:
        """Return the ids of the counted events of a minute, and those set aside of any minute."""
        request = pb.StreamCountedIdsRequest(minute_start_time=Timestamp(seconds=minute))
        parts = await self.all("StreamCountedIds", request, pb.StreamCountedIdsResponse)
        counted = {event_id for part in parts for event_id in split_ids(part.event_ids)}
        return counted, {event_id for part in parts for event_id in split_ids(part.dead_letter_ids)}

    async def audit(self) -> Sequence[pb.AuditMetricsResponse.Difference]:
        """Return the metrics that are not what the processed events add up to."""
        answer = await self.one("AuditMetrics", pb.AuditMetricsRequest(), pb.AuditMetricsResponse)
        return answer.differences

    async def product_metrics(self) -> list[pb.ProductSum]:
        """Return what the metrics say of each product."""
        request = pb.StreamProductMetricsRequest()
        parts = await self.all("StreamProductMetrics", request, pb.StreamProductMetricsResponse)
        return [one for part in parts for one in part.products]


def split_ids(packed: bytes) -> Iterable[bytes]:
    """Take ids apart that stand one after the other."""
    return (packed[start : start + ID_BYTES] for start in range(0, len(packed), ID_BYTES))


@contextmanager
def needing(part: str) -> Iterator[None]:
    """Turn a part's silence into the error that names it, and what it refused into a fault of ours."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise told(part, error) from error


class PartFault(Exception):
    """A part refused what this service asked of it, or failed: whoever asked us is not to blame."""


def told(part: str, error: grpc.aio.AioRpcError) -> Exception:
    """Return the error for a part that did not do what was asked."""
    # Cancelled by ourselves, as when the channel is closed.
    if error.code() in (*BUSY_OR_GONE, grpc.StatusCode.CANCELLED):
        return unavailable(part)
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.NoAnswer(part)
    return PartFault(f"{part} answered {error.code().name}: {error.details()}")


def unavailable(part: str, message: str = "") -> errors.Unavailable:
    """Return the error for a part that the answer needs."""
    words = message or f"{part} is unavailable"
    return errors.Unavailable(ErrorReason.COMPONENT_UNAVAILABLE, words, metadata={"component": part}, retry_ms=1000)
