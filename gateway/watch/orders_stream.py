"""One stream of what happens to orders, read from Kafka's own log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from confluent_kafka import KafkaException, Message
from ordermesh.gateway.v1 import watch_pb2 as pb

from gateway.backends.grpc_backend import unavailable
from gateway.watch.order_changes import Changes, begin, look_back
from gateway.watch.order_log import EventsDeleted, Extent, LogReader, OrderLog
from gateway.watch.stream_end import TooSlow, changed, gone, stopping
from runtime.kafka.unreadable_batches import is_unreadable

POLL_SECONDS = 0.25
# How often a stream makes sure that Kafka answers and that the topic is still the same.
CHECK_SECONDS = 5.0
# A reader that was once this near to the end of the log and falls back further does not keep up.
MAX_LAG_EVENTS = 50_000


class OrdersStream:
    """One watcher's stream; `revision` is where it is."""

    def __init__(self, log: OrderLog, stop: asyncio.Event, customer_id: str, heartbeat_seconds: float) -> None:
        self._log = log
        self._stop = stop
        self._customer_id = customer_id
        self._heartbeat_seconds = heartbeat_seconds
        self._changes = Changes(b"", ())
        self._near = False

    @property
    def revision(self) -> str:
        """Name where the stream is."""
        return self._changes.revision

    async def messages(self, after_revision: str) -> AsyncGenerator[pb.WatchOrdersResponse]:
        """Yield changes and heartbeats, the first at once, until `stop`. Ends with a ServiceError that says why."""
        with kafka_needed():
            extent = await self._log.extent()
        offsets = begin(after_revision, extent)
        self._changes = Changes(extent.topic_id, offsets, self._customer_id)
        self._keep_up(extent)
        reader = self._log.reader(look_back(offsets, extent))
        try:
            yield self._heartbeat()
            async with aclosing(self._follow(reader)) as following:
                async for message in following:
                    yield message
        finally:
            reader.close()
        raise stopping()

    async def _follow(self, reader: LogReader) -> AsyncGenerator[pb.WatchOrdersResponse]:
        sent = checked = time.monotonic()
        while not self._stop.is_set():
            with kafka_needed():
                records = await reader.read(min(POLL_SECONDS, self._heartbeat_seconds))
            for record in records:
                message = self._told(record)
                if message is not None:
                    yield message
                    sent = time.monotonic()
            if time.monotonic() - sent >= self._heartbeat_seconds:
                yield self._heartbeat()
                sent = time.monotonic()
            if time.monotonic() - checked >= CHECK_SECONDS:
                await self._check()
                checked = time.monotonic()

    def _told(self, record: Message) -> pb.WatchOrdersResponse | None:
        """Return what a watcher is told of what was read, which may be the end of a partition."""
        if record.error() is not None and not is_unreadable(record):
            self._changes.reach(record.partition() or 0, record.offset() or 0)
            return None
        taken = self._changes.take(record)
        if isinstance(taken, pb.SkippedRecord):
            return pb.WatchOrdersResponse(revision=self.revision, skipped=taken)
        return None if taken is None else pb.WatchOrdersResponse(revision=self.revision, change=taken)

    def _heartbeat(self) -> pb.WatchOrdersResponse:
        made = pb.WatchOrdersResponse(revision=self.revision)
        made.heartbeat.send_time.GetCurrentTime()
        return made

    def _keep_up(self, extent: Extent) -> None:
        """Raise ServiceError when the watcher fell back; one that comes from far behind has its time."""
        lag = self._changes.behind(extent)
        if self._near and lag > MAX_LAG_EVENTS:
            raise TooSlow(lag)
        self._near = self._near or lag <= MAX_LAG_EVENTS

    async def _check(self) -> None:
        with kafka_needed():
            extent = await self._log.extent()
        if not self._changes.belongs_to(extent):
            raise changed("the topic of the orders")
        self._keep_up(extent)


@contextmanager
def kafka_needed() -> Iterator[None]:
    """Turn Kafka's silence, or what it deleted, into the error that says so."""
    try:
        yield
    except EventsDeleted as error:
        raise gone("events after it were deleted before they could be sent") from error
    except (KafkaException, TimeoutError) as error:
        raise unavailable("kafka") from error
