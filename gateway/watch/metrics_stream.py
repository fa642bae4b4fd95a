"""The stream of totals, and the source that reads them once for all streams."""

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

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.errors import requests_to, unavailable
from gateway.backends.grpc_backend import Backend
from gateway.watch.revision import Revisions
from gateway.watch.stream_end import gateway_stopping, revision_gone, source_changed
from runtime.errors import NoAnswer
from runtime.grpc.service_tls import ServiceTls
from runtime.kafka import topics
from runtime.process.shutdown import stops_within

FRESH_SECONDS = 0.2
ASK_SECONDS = 5.0


@dataclass(frozen=True)
class Totals:
    """The totals, and positions up to which they at least include the log."""

    counted: MetricsRevision
    summary: SalesSummary


class TotalsSource:
    """Requests the totals from analytics, at most five times a second for all streams."""

    def __init__(self, analytics: AnalyticsBackend, target: str, tls: ServiceTls | None = None) -> None:
        self._ledger = analytics
        self._analytics = Backend([target], analytics_pb2_grpc.AnalyticsServiceStub, tls)
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
                    with requests_to("analytics"):
                        self._known = (time.monotonic(), await self._ask())
                except NoAnswer as error:
                    # The deadline is the gateway's, not the client's.
                    raise unavailable("analytics") from error
            return self._known[1]

    async def _ask(self) -> Totals:
        # The positions first: events counted between the two requests are in the totals, and not yet in the revision.
        progress = await self._ledger.progress(ASK_SECONDS)
        summary = await self._analytics.unary("GetSalesSummary", GetSalesSummaryRequest(), SalesSummary, ASK_SECONDS)
        return Totals(counted(list(progress.positions)), summary)


def counted(positions: list[PartitionPosition]) -> MetricsRevision:
    """Return positions as a revision."""
    return MetricsRevision(
        order_offsets=next_offsets(positions, topics.ORDER_EVENTS),
        stock_offsets=next_offsets(positions, topics.STOCK),
        order_topic_id=topic_id(positions, topics.ORDER_EVENTS),
        stock_topic_id=topic_id(positions, topics.STOCK),
    )


def next_offsets(positions: list[PartitionPosition], topic: str) -> list[int]:
    """Return the next offset of each partition of a topic, 0 where there is no position."""
    found = {each.partition: each.next_offset for each in positions if each.topic == topic}
    return [found.get(number, 0) for number in range(max(found, default=-1) + 1)]


def topic_id(positions: list[PartitionPosition], topic: str) -> bytes:
    """Return the id of the topic that the positions belong to, empty if there is none."""
    return next((each.topic_id for each in positions if each.topic == topic), b"")


def why_older(now: MetricsRevision, before: MetricsRevision) -> str:
    """Return why the totals do not include all that they did before, empty if they do."""
    for topic, id_now, id_before in (
        (topics.ORDER_EVENTS, now.order_topic_id, before.order_topic_id),
        (topics.STOCK, now.stock_topic_id, before.stock_topic_id),
    ):
        if id_before and id_now != id_before:
            return f"{topic} was recreated since"
    return "the metrics were restored to an earlier state" if is_newer(before, now) else ""


def is_newer(now: MetricsRevision, before: MetricsRevision) -> bool:
    """Return whether something was counted since."""
    pairs = ((now.order_offsets, before.order_offsets), (now.stock_offsets, before.stock_offsets))
    return any(at > last for left, right in pairs for at, last in zip_longest(left, right, fillvalue=0))


class MetricsStream:
    """The stream of one client; `revision` is its position."""

    def __init__(
        self,
        source: TotalsSource,
        revisions: Revisions[MetricsRevision],
        stop: asyncio.Event,
        interval_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._source = source
        self._revisions = revisions
        self._stop = stop
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._counted = MetricsRevision()

    @property
    def revision(self) -> str:
        """The positions up to which the totals that were sent include the log."""
        return self._revisions.encode(self._counted)

    async def messages(self, after: MetricsRevision | None) -> AsyncGenerator[pb.WatchMetricsResponse]:
        """Yield totals and heartbeats, the first at once, until `stop`. Ends with a ServiceError with the reason."""
        wanted = after is None
        if after is not None:
            self._counted = await self._resumed(after)
        asked = sent = float("-inf")
        while True:
            now = time.monotonic()
            if now - asked >= self._interval_seconds:
                totals, asked = await self._source.totals(), now
                if why_older(totals.counted, self._counted):
                    raise source_changed("the counting of the log")
                if wanted or is_newer(totals.counted, self._counted):
                    wanted, sent, self._counted = False, now, totals.counted
                    yield pb.WatchMetricsResponse(revision=self.revision, summary=totals.summary)
            if now - sent >= self._heartbeat_seconds:
                sent = now
                yield self._heartbeat()
            if await stops_within(self._stop, self._wait_seconds(asked, sent)):
                raise gateway_stopping()

    async def _resumed(self, after: MetricsRevision) -> MetricsRevision:
        """Return the positions of a revision. Raises FailedPrecondition if the totals do not include them."""
        if why := why_older((await self._source.totals()).counted, after):
            raise revision_gone(why)
        return after

    def _wait_seconds(self, asked: float, sent: float) -> float:
        due = min(asked + self._interval_seconds, sent + self._heartbeat_seconds)
        return max(0.01, due - time.monotonic())

    def _heartbeat(self) -> pb.WatchMetricsResponse:
        made = pb.WatchMetricsResponse(revision=self.revision)
        made.heartbeat.send_time.GetCurrentTime()
        return made
