"""A small pipeline in memory, with servers that tell of it as the real ones do."""

import hashlib
import itertools
import math
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import ORDER_CREATED
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc
from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse
from ordermesh.orders.v1.orders_pb2 import Order

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
    # Of days that were compared before.
    differences_of_old_days: list[pb.AuditMetricsResponse.Difference] = field(default_factory=list)
    counted_sums: Callable[[list[pb.EventSum]], list[pb.EventSum]] = lambda sums: sums
    stored_sums: Callable[[list[pb.OrderSum]], list[pb.OrderSum]] = lambda sums: sums
    product_metrics: list[pb.ProductSum] | None = None
    discarded: list[Event] = field(default_factory=list)
    # From when on the ledgers of both sides are complete, and from when on they hold ids.
    complete_since: int = 0
    counted_since: int = 0
    ids_since: int = 0
    counted_ids_since: int = 0
    # What the audit of each database finds, by day.
    audits: dict[str, list[list[pb.LedgerDifference]]] = field(default_factory=lambda: {"orders": [], "analytics": []})
    # The first minute that is not closed.
    open_minute: int = MINUTE + 86_400
    # Orders, by the id of their event, whose status is another one than CREATED: as stored, and as counted.
    stored_status: dict[bytes, int] = field(default_factory=dict)
    counted_status: dict[bytes, int] = field(default_factory=dict)
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

    @property
    def orders(self) -> list[Event]:
        """The events with which all stored orders were accepted."""
        return created_of([*self.published, *self.waiting, *self.dead, *self.discarded])

    def flow(self, *events: Event) -> None:
        """Let events through to the end."""
        self.published += events
        self.counted += events


def period_of(one: Event, period: int) -> int:
    return one.minute - one.minute % (86_400 if period == pb.DAY else 60)


def event_sums(events: Iterable[Event], period: int = pb.MINUTE) -> list[pb.EventSum]:
    by_period: dict[int, list[Event]] = defaultdict(list)
    for one in events:
        by_period[period_of(one, period)].append(one)
    return [event_sum(start, by_period[start]) for start in sorted(by_period)]


def digest_of(events: Iterable[Event]) -> int:
    digest = 0
    for one in events:
        digest ^= int.from_bytes(hashlib.sha256(one.event_id).digest()[:8], "big", signed=True)
    return digest


def event_sum(start: int, events: list[Event]) -> pb.EventSum:
    created = created_of(events)
    return pb.EventSum(
        start_time=Timestamp(seconds=start),
        types=[pb.TypeCount(type=kind, events=count) for kind, count in Counter(one.kind for one in events).items()],
        revenue_minor=sum(one.total_minor for one in created),
        units=sum(one.units for one in created),
        digest=digest_of(events),
    )


def created_of(events: Iterable[Event]) -> list[Event]:
    return [one for one in events if one.kind == ORDER_CREATED]


def order_sums(events: Iterable[Event], status: Mapping[bytes, int], period: int) -> list[pb.OrderSum]:
    """Sum up the orders of events, each accepted in the minute of its event and with the event's id."""
    parts: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for one in created_of(events):
        parts[period_of(one, period), status.get(one.event_id, Order.CREATED)].append(one)
    sums: dict[int, pb.OrderSum] = {}
    for (start, number), some in sorted(parts.items()):
        found = sums.setdefault(start, pb.OrderSum(start_time=Timestamp(seconds=start)))
        total_minor = sum(one.total_minor for one in some)
        found.statuses.add(status=number, orders=len(some), total_minor=total_minor, digest=digest_of(some))
    return list(sums.values())


def order_states(
    events: Iterable[Event], status: Mapping[bytes, int], minute: int, unpublished: Iterable[Event] = ()
) -> list[pb.OrderState]:
    hidden = {one.event_id for one in unpublished}
    return [
        pb.OrderState(
            order_id=one.event_id,
            status=status.get(one.event_id, Order.CREATED),
            total_minor=one.total_minor,
            has_unpublished_events=one.event_id in hidden,
        )
        for one in created_of(events)
        if one.minute == minute
    ]


def before_end(events: Iterable[Event], request: pb.StreamOrderLedgerRequest) -> list[Event]:
    end = request.end_time.seconds if request.HasField("end_time") else math.inf
    return [one for one in events if one.minute < end]


def within(sums: list, request: pb.StreamOrderLedgerRequest) -> list:
    end = request.end_time.seconds if request.HasField("end_time") else math.inf
    return [one for one in sums if request.start_time.seconds <= one.start_time.seconds < end]


def product_sums(events: Iterable[Event]) -> list[pb.ProductSum]:
    sums: dict[str, pb.ProductSum] = {}
    for one in created_of(events):
        found = sums.setdefault(one.product_id, pb.ProductSum(product_id=one.product_id))
        found.units += one.units
        found.revenue_minor += one.total_minor
    return list(sums.values())


def audited_days(found: list[list[pb.LedgerDifference]]) -> Iterable[pb.AuditedDay]:
    for number, differences in enumerate(found, 1):
        yield pb.AuditedDay(number=number, days=len(found), rows=1_000, differences=differences)


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
        # One snapshot: other tests change the world between the messages.
        if request.closed_minutes:
            request.end_time.seconds = world.open_minute
        events = event_sums(before_end(world.published, request), request.period)
        stored = before_end(world.orders, request)
        orders = world.stored_sums(order_sums(stored, world.stored_status, request.period))
        head = pb.StreamOrderLedgerResponse(
            pending=len(before_end(world.waiting, request)),
            dead=len(world.dead),
            dead_ids=[one.name for one in world.dead],
            discarded=len(world.discarded),
            pending_start_time=[Timestamp(seconds=one.minute) for one in world.waiting],
        )
        head.coverage_start_time.seconds = world.complete_since
        head.ids_start_time.seconds = world.ids_since
        if request.closed_minutes:
            head.end_time.CopyFrom(request.end_time)
        yield head
        for one in within(events, request):
            yield pb.StreamOrderLedgerResponse(events=[one])
        for one in within(orders, request):
            yield pb.StreamOrderLedgerResponse(orders=[one])

    async def StreamOrderAudit(self, request, context) -> AsyncIterator[pb.StreamOrderAuditResponse]:
        self.world.came("StreamOrderAudit")
        for day in audited_days(self.world.audits["orders"]):
            yield pb.StreamOrderAuditResponse(day=day)

    async def StreamOrderStates(self, request, context) -> AsyncIterator[pb.StreamOrderStatesResponse]:
        world = self.world
        world.came("StreamOrderStates")
        unpublished = [*world.waiting, *world.dead, *world.discarded]
        states = order_states(world.orders, world.stored_status, request.minute_start_time.seconds, unpublished)
        yield pb.StreamOrderStatesResponse(orders=states)

    async def StreamPublishedIds(self, request, context) -> AsyncIterator[pb.StreamPublishedIdsResponse]:
        self.world.came("StreamPublishedIds")
        minute = request.minute_start_time.seconds
        events = [one for one in self.world.published if one.minute == minute >= self.world.ids_since]
        for one in events:
            yield pb.StreamPublishedIdsResponse(event_ids=packed([one]))

    async def FindEvents(self, request, context):
        self.world.came("FindEvents")
        asked = {request.event_ids[at : at + 16] for at in range(0, len(request.event_ids), 16)}
        known = [*self.world.published, *self.world.waiting, *self.world.dead]
        known = [one for one in known if one.minute >= self.world.ids_since]
        return pb.FindEventsResponse(event_ids=packed(one for one in known if one.event_id in asked))

    async def StreamProductSums(self, request, context) -> AsyncIterator[pb.StreamProductSumsResponse]:
        world = self.world
        world.came("StreamProductSums")
        named = request.uncounted_order_ids
        ids = {named[at : at + 16] for at in range(0, len(named), 16)}
        uncounted = [
            *world.waiting,
            *world.dead,
            *world.discarded,
            *(one for one in world.orders if one.event_id in ids),
        ]
        less = {one.product_id: one for one in product_sums(uncounted)}
        sums = product_sums(world.orders)
        for one in sums:
            if one.product_id in less:
                one.uncounted_units = less[one.product_id].units
                one.uncounted_revenue_minor = less[one.product_id].revenue_minor
        yield pb.StreamProductSumsResponse(products=sums)


class AnalyticsLedger(ledger_pb2_grpc.AnalyticsLedgerServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def GetAnalyticsProgress(self, request, context):
        self.world.came("GetAnalyticsProgress")
        return self.world.analytics_progress

    async def StreamAnalyticsLedger(self, request, context) -> AsyncIterator[pb.StreamAnalyticsLedgerResponse]:
        world = self.world
        world.came("StreamAnalyticsLedger")
        counted = before_end(world.counted, request)
        events = world.counted_sums(event_sums(counted, request.period))
        orders = order_sums(counted, world.counted_status, request.period)
        head = pb.StreamAnalyticsLedgerResponse(
            dead_letters=len(world.rejected), dead_letter_order_ids=packed(created_of(world.rejected))
        )
        head.coverage_start_time.seconds = world.counted_since
        head.ids_start_time.seconds = world.counted_ids_since
        yield head
        for one in within(events, request):
            yield pb.StreamAnalyticsLedgerResponse(events=[one])
        for one in within(orders, request):
            yield pb.StreamAnalyticsLedgerResponse(orders=[one])

    async def StreamAnalyticsAudit(self, request, context) -> AsyncIterator[pb.StreamAnalyticsAuditResponse]:
        for day in audited_days(self.world.audits["analytics"]):
            yield pb.StreamAnalyticsAuditResponse(day=day)

    async def StreamCountedStates(self, request, context) -> AsyncIterator[pb.StreamCountedStatesResponse]:
        world = self.world
        world.came("StreamCountedStates")
        states = order_states(world.counted, world.counted_status, request.minute_start_time.seconds)
        yield pb.StreamCountedStatesResponse(orders=states)

    async def StreamCountedIds(self, request, context) -> AsyncIterator[pb.StreamCountedIdsResponse]:
        self.world.came("StreamCountedIds")
        minute = request.minute_start_time.seconds
        events = [one for one in self.world.counted if one.minute == minute >= self.world.counted_ids_since]
        yield pb.StreamCountedIdsResponse(event_ids=packed(events))
        yield pb.StreamCountedIdsResponse(dead_letter_ids=packed(self.world.rejected))

    async def AuditMetrics(self, request, context):
        self.world.came("AuditMetrics")
        if "AuditMetrics" in self.world.refusals:
            await context.abort(self.world.refusals["AuditMetrics"], "as the test wants it")
        old = self.world.differences_of_old_days if request.all_days else []
        return pb.AuditMetricsResponse(differences=[*self.world.differences, *old])

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
