"""A small pipeline in memory, with servers that tell of it as the real ones do."""

import hashlib
import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse

from gateway.backends.event_topics import ReadPositions
from gateway.backends.topic_state import LogState

MINUTE = 29_000_000 * 60
numbers = itertools.count()


@dataclass(frozen=True)
class Event:
    event_id: bytes
    minute: int = MINUTE
    kind: int = ORDER_CREATED
    total_minor: int = 7_000
    units: int = 3
    product_id: str = "p1"

    @property
    def name(self) -> str:
        return str(uuid.UUID(bytes=self.event_id))


def event(minute: int = 0, **values: object) -> Event:
    """Make an event of the n-th minute."""
    return Event(next(numbers).to_bytes(16, "big"), MINUTE + 60 * minute, **values)


@dataclass
class World:
    """Both ends of a pipeline, changed freely by tests; `before` hooks run when a method is called."""

    published: list[Event] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    dead: list[Event] = field(default_factory=list)
    counted: list[Event] = field(default_factory=list)
    rejected: list[Event] = field(default_factory=list)
    differences: list[pb.AuditMetricsResponse.Difference] = field(default_factory=list)
    counted_sums: Callable[[list[pb.MinuteSum]], list[pb.MinuteSum]] = lambda sums: sums
    product_metrics: list[pb.ProductSum] | None = None
    # As the outbox and as the counted events have it.
    complete_since: int = 0
    counted_since: int = 0
    # Records that the group has not committed, answered by the fake log.
    lag: int = 0
    order_progress: pb.GetOrderProgressResponse = field(default_factory=pb.GetOrderProgressResponse)
    analytics_progress: pb.GetAnalyticsProgressResponse = field(default_factory=pb.GetAnalyticsProgressResponse)
    # What the one process of each service says of itself.
    orders_process: GetProcessHealthResponse = field(default_factory=GetProcessHealthResponse)
    analytics_process: GetProcessHealthResponse = field(default_factory=GetProcessHealthResponse)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    # Codes with which methods end.
    refusals: dict[str, grpc.StatusCode] = field(default_factory=dict)

    def came(self, method: str) -> None:
        if method in self.before:
            self.before[method]()

    def flow(self, *events: Event) -> None:
        """Let events through to the end."""
        self.published += events
        self.counted += events


def minute_sums(events: Iterable[Event]) -> list[pb.MinuteSum]:
    by_minute: dict[int, list[Event]] = defaultdict(list)
    for one in events:
        by_minute[one.minute].append(one)
    return [minute_sum(minute, by_minute[minute]) for minute in sorted(by_minute)]


def minute_sum(minute: int, events: list[Event]) -> pb.MinuteSum:
    digest = 0
    for one in events:
        digest ^= int.from_bytes(hashlib.sha256(one.event_id).digest()[:8], "big", signed=True)
    created = [one for one in events if one.kind == ORDER_CREATED]
    return pb.MinuteSum(
        start_time=Timestamp(seconds=minute),
        types=[pb.TypeCount(type=kind, events=count) for kind, count in Counter(one.kind for one in events).items()],
        revenue_minor=sum(one.total_minor for one in created),
        units=sum(one.units for one in created),
        digest=digest,
    )


def product_sums(events: Iterable[Event]) -> list[pb.ProductSum]:
    sums: dict[str, pb.ProductSum] = {}
    for one in events:
        found = sums.setdefault(one.product_id, pb.ProductSum(product_id=one.product_id))
        found.units += one.units
        found.revenue_minor += one.total_minor
    return list(sums.values())


def packed(events: Iterable[Event]) -> bytes:
    return b"".join(one.event_id for one in events)


class ProcessHealth(process_pb2_grpc.ProcessServiceServicer):
    def __init__(self, said: Callable[[], GetProcessHealthResponse]) -> None:
        self._said = said

    async def GetProcessHealth(self, request, context):
        return self._said()


class OrderLedger(ledger_pb2_grpc.OrderLedgerServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def GetOrderProgress(self, request, context):
        self.world.came("GetOrderProgress")
        return self.world.order_progress

    async def StreamOrderLedger(self, request, context) -> AsyncIterator[pb.StreamOrderLedgerResponse]:
        world = self.world
        world.came("StreamOrderLedger")
        sums = minute_sums(world.published)
        head = pb.StreamOrderLedgerResponse(
            pending=len(world.waiting), dead=len(world.dead), dead_ids=[one.name for one in world.dead]
        )
        if world.complete_since:
            head.coverage_start_time.seconds = world.complete_since
        yield head
        for one in sums:
            yield pb.StreamOrderLedgerResponse(minutes=[one])

    async def StreamPublishedIds(self, request, context) -> AsyncIterator[pb.StreamPublishedIdsResponse]:
        self.world.came("StreamPublishedIds")
        events = [one for one in self.world.published if one.minute == request.minute_start_time.seconds]
        for one in events:
            yield pb.StreamPublishedIdsResponse(event_ids=packed([one]))

    async def FindEvents(self, request, context):
        self.world.came("FindEvents")
        asked = {request.event_ids[at : at + 16] for at in range(0, len(request.event_ids), 16)}
        known = [*self.world.published, *self.world.waiting, *self.world.dead]
        return pb.FindEventsResponse(event_ids=packed(one for one in known if one.event_id in asked))

    async def StreamProductSums(self, request, context) -> AsyncIterator[pb.StreamProductSumsResponse]:
        self.world.came("StreamProductSums")
        yield pb.StreamProductSumsResponse(products=product_sums([*self.world.published, *self.world.waiting]))


class AnalyticsLedger(ledger_pb2_grpc.AnalyticsLedgerServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def GetAnalyticsProgress(self, request, context):
        self.world.came("GetAnalyticsProgress")
        return self.world.analytics_progress

    async def StreamAnalyticsLedger(self, request, context) -> AsyncIterator[pb.StreamAnalyticsLedgerResponse]:
        world = self.world
        world.came("StreamAnalyticsLedger")
        head = pb.StreamAnalyticsLedgerResponse(dead_letters=len(world.rejected))
        if world.counted_since:
            head.coverage_start_time.seconds = world.counted_since
        yield head
        for one in world.counted_sums(minute_sums(world.counted)):
            yield pb.StreamAnalyticsLedgerResponse(minutes=[one])

    async def StreamCountedIds(self, request, context) -> AsyncIterator[pb.StreamCountedIdsResponse]:
        self.world.came("StreamCountedIds")
        events = [one for one in self.world.counted if one.minute == request.minute_start_time.seconds]
        yield pb.StreamCountedIdsResponse(event_ids=packed(events))
        yield pb.StreamCountedIdsResponse(dead_letter_ids=packed(self.world.rejected))

    async def AuditMetrics(self, request, context):
        self.world.came("AuditMetrics")
        if "AuditMetrics" in self.world.refusals:
            await context.abort(self.world.refusals["AuditMetrics"], "as the test wants it")
        return pb.AuditMetricsResponse(differences=self.world.differences)

    async def StreamProductMetrics(self, request, context) -> AsyncIterator[pb.StreamProductMetricsResponse]:
        self.world.came("StreamProductMetrics")
        products = self.world.product_metrics
        yield pb.StreamProductMetricsResponse(
            products=product_sums(self.world.counted) if products is None else products
        )


class FakeLog:
    """Kafka as the reconciliation and the sampler see it."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def wait_until_counted(
        self, patience_seconds: float, timeout_seconds: float, positions: ReadPositions
    ) -> int:
        self.world.came("wait_until_counted")
        await positions()
        return self.world.lag

    async def state(self, timeout_seconds: float) -> LogState:
        self.world.came("state")
        return LogState(1, {}, {("order-events", 0): 7}, {("order-events", 0): 5})
