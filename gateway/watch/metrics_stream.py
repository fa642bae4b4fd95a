"""The totals as they change, asked for once for all watchers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import zip_longest

from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.analytics.v1.analytics_pb2 import GetSalesSummaryRequest, SalesSummary
from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.internal.v1.ledger_pb2 import PartitionPosition
from ordermesh.internal.v1.revision_pb2 import MetricsRevision

from gateway.backends.grpc_backend import Analytics, Backend, needing, unavailable
from gateway.pipeline.sampler import pause
from gateway.watch import revision
from gateway.watch.stream_end import changed, gone, stopping
from runtime.errors import NoAnswer
from runtime.kafka import topics

FRESH_SECONDS = 0.2
ASK_SECONDS = 5.0


@dataclass(frozen=True)
class Totals:
    """The totals, and how far the log is counted in them at least."""

    counted: MetricsRevision
    summary: SalesSummary


class TotalsSource:
    """Asks analytics, at most five times a second however many watch."""

    def __init__(self, analytics: Analytics, target: str) -> None:
        self._ledger = analytics
        self._analytics = Backend([target], analytics_pb2_grpc.AnalyticsServiceStub)
        self._asking = asyncio.Lock()
        self._known: tuple[float, Totals] | None = None

    async def close(self) -> None:
        """Close the channel."""
        await self._analytics.close()

    async def totals(self) -> Totals:
        """Return the totals. Raises Unavailable when analytics does not answer."""
        async with self._asking:
            if self._known is None or time.monotonic() - self._known[0] > FRESH_SECONDS:
                try:
                    with needing("analytics"):
                        self._known = (time.monotonic(), await self._ask())
                except NoAnswer as error:
                    # The time is ours; the watcher set none.
                    raise unavailable("analytics") from error
            return self._known[1]

    async def _ask(self) -> Totals:
        # The marks first: what is counted between the two questions is in the totals and not yet in the revision.
        progress = await self._ledger.progress(ASK_SECONDS)
        summary = await self._analytics.one("GetSalesSummary", GetSalesSummaryRequest(), SalesSummary, ASK_SECONDS)
        marks = list(progress.positions)
        return Totals(counted(marks), summary)


def counted(marks: list[PartitionPosition]) -> MetricsRevision:
    """Return how far the log is counted, and of which topics."""
    return MetricsRevision(
        order_offsets=offsets(marks, topics.ORDER_EVENTS),
        stock_offsets=offsets(marks, topics.STOCK),
        order_topic_id=topic_id(marks, topics.ORDER_EVENTS),
        stock_topic_id=topic_id(marks, topics.STOCK),
    )


def offsets(marks: list[PartitionPosition], topic: str) -> list[int]:
    """Return a topic's marks by partition, 0 where there is none."""
    found = {mark.partition: mark.next_offset for mark in marks if mark.topic == topic}
    return [found.get(number, 0) for number in range(max(found, default=-1) + 1)]


def topic_id(marks: list[PartitionPosition], topic: str) -> bytes:
    """Return the id of a topic that marks belong to, nothing where there is none."""
    return next((mark.topic_id for mark in marks if mark.topic == topic), b"")


def put_back(now: MetricsRevision, before: MetricsRevision) -> str:
    """Say what happened when the totals do not hold all that they once did, nothing when they do."""
    for topic, id_now, id_before in (
        (topics.ORDER_EVENTS, now.order_topic_id, before.order_topic_id),
        (topics.STOCK, now.stock_topic_id, before.stock_topic_id),
    ):
        if id_before and id_now != id_before:
            return f"{topic} was made again since"
    return "the metrics were put back to before it" if newer(before, now) else ""


def newer(now: MetricsRevision, before: MetricsRevision) -> bool:
    """Tell whether something was counted since."""
    pairs = ((now.order_offsets, before.order_offsets), (now.stock_offsets, before.stock_offsets))
    return any(at > last for left, right in pairs for at, last in zip_longest(left, right, fillvalue=0))


class MetricsStream:
    """One watcher's stream; `revision` is where it is."""

    def __init__(
        self, source: TotalsSource, stop: asyncio.Event, interval_seconds: float, heartbeat_seconds: float
    ) -> None:
        self._source = source
        self._stop = stop
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._counted = MetricsRevision()

    @property
    def revision(self) -> str:
        """Name what is in the totals that were sent."""
        return revision.encode(self._counted)

    async def messages(self, after_revision: str) -> AsyncGenerator[pb.WatchMetricsResponse]:
        """Yield totals and heartbeats, the first at once, until `stop`. Ends with a ServiceError that says why."""
        wanted = not after_revision
        if after_revision:
            self._counted = await self._resumed(after_revision)
        asked = sent = float("-inf")
        while True:
            now = time.monotonic()
            if now - asked >= self._interval_seconds:
                totals, asked = await self._source.totals(), now
                if put_back(totals.counted, self._counted):
                    raise changed("what is counted")
                if wanted or newer(totals.counted, self._counted):
                    wanted, sent, self._counted = False, now, totals.counted
                    yield pb.WatchMetricsResponse(revision=self.revision, summary=totals.summary)
            if now - sent >= self._heartbeat_seconds:
                sent = now
                yield self._heartbeat()
            if await pause(self._stop, self._wait_seconds(asked, sent)):
                raise stopping()

    async def _resumed(self, after_revision: str) -> MetricsRevision:
        """Return what a revision says was counted. Raises FailedPrecondition when the totals do not hold it."""
        after = revision.decode(after_revision, MetricsRevision)
        if what := put_back((await self._source.totals()).counted, after):
            raise gone(what)
        return after

    def _wait_seconds(self, asked: float, sent: float) -> float:
        due = min(asked + self._interval_seconds, sent + self._heartbeat_seconds)
        return max(0.01, due - time.monotonic())

    def _heartbeat(self) -> pb.WatchMetricsResponse:
        made = pb.WatchMetricsResponse(revision=self.revision)
        made.heartbeat.send_time.GetCurrentTime()
        return made
