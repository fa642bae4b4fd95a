"""One stream of order changes, read from the Kafka log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from confluent_kafka import KafkaException, Message
from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.internal.v1.revision_pb2 import OrdersRevision

from gateway.backends.errors import unavailable
from gateway.watch.order_changes import OrderChanges, look_back_offsets, start_offsets
from gateway.watch.order_topic import EventsDeleted, LogBounds, OrderTopic, OrderTopicReader
from gateway.watch.revision import Revisions
from gateway.watch.stream_end import TooSlow, gateway_stopping, revision_gone, source_changed
from runtime.errors import Unavailable
from runtime.kafka.records.unreadable_batches import is_unreadable

POLL_SECONDS = 0.25
# How often a stream checks that Kafka answers and that the topic was not recreated.
CHECK_SECONDS = 5.0
# One check without an answer, or after which the reader reads nothing of what was there, is a busy Kafka; so many in a
# row are one that is away, or a reader that lost it, and end the stream.
MAX_UNANSWERED = 2
# A stream that was within this lag once and falls back further does not keep up.
MAX_LAG_EVENTS = 50_000


class OrdersStream:
    """The stream of one client; `revision` is its position."""

    def __init__(
        self,
        log: OrderTopic,
        revisions: Revisions[OrdersRevision],
        stop: asyncio.Event,
        customer_id: str,
        heartbeat_seconds: float,
    ) -> None:
        self._log = log
        self._revisions = revisions
        self._stop = stop
        self._customer_id = customer_id
        self._heartbeat_seconds = heartbeat_seconds
        self._changes = OrderChanges(b"", ())
        self._caught_up = False
        self._unanswered = 0
        self._checked: tuple[LogBounds, OrdersRevision] | None = None

    @property
    def revision(self) -> str:
        """The position of the stream."""
        return self._revisions.encode(self._changes.revision)

    async def messages(self, after: OrdersRevision | None) -> AsyncGenerator[pb.WatchOrdersResponse]:
        """Yield changes and heartbeats, the first at once, until `stop`. Ends with a ServiceError with the reason."""
        with kafka_errors():
            bounds = await self._log.bounds()
        offsets = start_offsets(after, bounds)
        self._changes = OrderChanges(bounds.topic_id, offsets, self._customer_id)
        self._check_lag(bounds)
        reader = self._log.reader(look_back_offsets(offsets, bounds))
        try:
            yield self._heartbeat()
            async with aclosing(self._follow(reader)) as following:
                async for message in following:
                    yield message
        finally:
            reader.close()
        raise gateway_stopping()

    async def _follow(self, reader: OrderTopicReader) -> AsyncGenerator[pb.WatchOrdersResponse]:
        sent = checked = time.monotonic()
        while not self._stop.is_set():
            with kafka_errors():
                records = await reader.read(min(POLL_SECONDS, self._heartbeat_seconds))
            for record in records:
                message = self._message(record)
                if message is not None:
                    yield message
                    sent = time.monotonic()
            if time.monotonic() - sent >= self._heartbeat_seconds:
                yield self._heartbeat()
                sent = time.monotonic()
            if time.monotonic() - checked >= CHECK_SECONDS:
                await self._check_log()
                checked = time.monotonic()

    def _message(self, record: Message) -> pb.WatchOrdersResponse | None:
        """Return the message for a record, None if there is none to send, as at the end of a partition."""
        if record.error() is not None and not is_unreadable(record):
            self._changes.skip_to(record.partition() or 0, record.offset() or 0)
            return None
        change = self._changes.take(record)
        if isinstance(change, pb.SkippedRecord):
            return pb.WatchOrdersResponse(revision=self.revision, skipped=change)
        return None if change is None else pb.WatchOrdersResponse(revision=self.revision, change=change)

    def _heartbeat(self) -> pb.WatchOrdersResponse:
        made = pb.WatchOrdersResponse(revision=self.revision)
        made.heartbeat.send_time.GetCurrentTime()
        return made

    def _check_lag(self, bounds: LogBounds) -> None:
        """Raise TooSlow when the stream fell behind; one that starts far behind may take its time to catch up."""
        lag = self._changes.lag(bounds)
        if self._caught_up and lag > MAX_LAG_EVENTS:
            raise TooSlow(lag)
        self._caught_up = self._caught_up or lag <= MAX_LAG_EVENTS

    async def _check_log(self) -> None:
        try:
            with kafka_errors():
                bounds = await self._log.bounds()
        except Unavailable:
            self._note_unanswered()
            return
        if not self._changes.belongs_to(bounds):
            raise source_changed("the topic of the orders")
        if self._stands_still():
            self._note_unanswered()
        else:
            self._unanswered = 0
        self._checked = (bounds, self._changes.revision)
        self._check_lag(bounds)

    def _stands_still(self) -> bool:
        """Return whether nothing was read since the last check of what was in the log then."""
        if self._checked is None:
            return False
        bounds, revision = self._checked
        return self._changes.revision == revision and self._changes.lag(bounds) > 0

    def _note_unanswered(self) -> None:
        self._unanswered += 1
        if self._unanswered == MAX_UNANSWERED:
            raise unavailable("kafka")


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Convert the errors of reading Kafka into ServiceErrors."""
    try:
        yield
    except EventsDeleted as error:
        raise revision_gone("events after it were deleted before they could be sent") from error
    except (KafkaException, TimeoutError) as error:
        raise unavailable("kafka") from error
