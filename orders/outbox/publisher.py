"""Publishes the outbox: claims shards, produces their events in order, waits for acknowledgements, marks them as sent.

Any number of publishers may run; the row lock of a shard gives the events of an order to one of them at a time.
A publisher that dies before its commit leaves duplicates in Kafka, which consumers drop by event id.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence

from ordermesh.events.v1.events_pb2 import EventType

from orders.domain.events import SHARDS
from orders.outbox.claim import Claim, Round
from orders.outbox.publish_spans import PublishSpans
from orders.outbox.sender import KafkaUnavailable, Sender, SendResult
from orders.outbox.unsent_event import UnsentEvent, has_sequence, one_per_order
from orders.settings import PublisherSettings
from orders.store.queries import OUTBOX
from runtime.kafka import topics
from runtime.postgres import arrays
from runtime.postgres.connection_types import Connection
from runtime.telemetry import logging, metrics, trace_context
from runtime.telemetry.logging import logger
from runtime.telemetry.metrics.call_durations import observe_many

FLOOR_INTERVAL_SECONDS = 1.0
# Well below the lock timeout of other sessions, and the server's timeout for idle transactions.
MAX_CLAIM_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
MAX_CAUSE_CHARACTERS = 200


class Publisher:
    """One publisher. Not thread-safe."""

    def __init__(self, settings: PublisherSettings, connection: Connection, process: str) -> None:
        self._settings = settings
        self._connection = connection
        self._process = process
        self._spans = PublishSpans(lambda: self._database_us() * 1000)
        self._sender = Sender(settings, process, self._spans)
        self._first_shard = os.getpid() % SHARDS
        self._floors_moved_at = 0.0
        # By shard, the newest event that was read in a transaction that has ended.
        self._newest: dict[int, int] = {}
        self._heartbeat_at = 0.0
        # The database's clock minus the monotonic clock.
        self._clock_offset_us = 0

    def run_once(self) -> int:
        """Publish a batch, and more while batches are full; return how many events were read.

        Blocks for up to `publisher_ack_seconds` per batch. Raises psycopg.Error and KafkaUnavailable.
        """
        self._sender.prepare()
        unavailable: KafkaUnavailable | None = None
        with self._connection.transaction():
            claim = self._claim()
            current = Round(claim, self._read(claim))
            try:
                self._publish(current)
            except KafkaUnavailable as error:
                unavailable = error
                self._spans.fail(type(error).__name__)
                self._mark_failed(current.events, str(error))
            self._record_progress(current)
            self._move_floors(claim)
        self._newest |= current.newest
        if unavailable:
            raise unavailable
        return current.read

    def _publish(self, current: Round) -> None:
        """Publish batch after batch: while Kafka processes one, the one before is marked and the one after is read."""
        result = SendResult()
        until = time.monotonic() + MAX_CLAIM_SECONDS
        while current.events:
            events, later = one_per_order(current.events)
            self._sender.send(events)
            self._mark(current, result)
            full = len(current.events) >= self._settings.publisher_batch_events // 2 and time.monotonic() < until
            following = self._read(current.unread()) if full else []
            result = self._sender.wait(events)
            self._end_spans(result, len(events))
            if result.retry_alone:
                # The size limits of the topics are read again before anything else is sent.
                break
            current.dead_keys.update(event.key for event, _ in result.rejected if has_sequence(event))
            # Events read last are never published before those of their orders that were read earlier.
            current.next_batch(following, later if full or time.monotonic() < until else ())
        self._mark(current, result)

    def _end_spans(self, result: SendResult, events: int) -> None:
        dead = {event.id: "rejected" for event, _ in result.rejected}
        again = {event.id: "batch_rejected" for event in result.retry_alone}
        self._spans.end(dead | again, dead, events)

    def close(self) -> None:
        """Drop events that are not acknowledged; they stay unsent in the outbox."""
        self._sender.close()

    def _claim(self) -> Claim:
        parameters = {"first_shard": self._first_shard, "shards": self._settings.publisher_shards}
        rows = self._connection.execute(OUTBOX.claim_shards, parameters).fetchall()
        self._first_shard = (self._first_shard + self._settings.publisher_shards) % SHARDS
        if rows:
            self._clock_offset_us = rows[-1][3] - int(time.monotonic() * 1_000_000)
        return Claim([row[0] for row in rows], [row[1] for row in rows], [row[0] for row in rows if row[2]])

    def _read(self, claim: Claim) -> list[UnsentEvent]:
        if not claim.shards:
            return []
        dead_keys: list[str] = []
        if claim.with_dead:
            dead = {"shards": claim.with_dead, "first_stock_type": topics.FIRST_STOCK_TYPE}
            cursor = self._connection.execute(OUTBOX.dead_keys, dead)
            dead_keys = [row[0] for row in cursor]
        parameters = {
            "shards": claim.shards,
            "floors": claim.floors,
            "dead_keys": dead_keys,
            "per_shard": -(-self._settings.publisher_batch_events // len(claim.shards)),
        }
        rows = self._connection.execute(OUTBOX.read_events, parameters, binary=True).fetchall()
        return [UnsentEvent(*row) for row in rows]

    def _mark(self, current: Round, result: SendResult) -> None:
        if sent := result.sent:
            parameters = {
                "shards": arrays.plain({event.shard for event in sent}),
                "ids": arrays.plain([event.id for event in sent]),
                "first_us": min(event.occur_us for event in sent),
                "last_us": max(event.occur_us for event in sent),
            }
            self._connection.execute(OUTBOX.mark_sent, parameters)
            self._observe(current, sent)
            log_sampled(sent)
        if result.rejected:
            self._mark_dead(result.rejected)

    def _mark_failed(self, events: Sequence[UnsentEvent], cause: str) -> None:
        """Mark events as FAILED with the cause, for operators; they are retried."""
        parameters = {
            "shards": arrays.plain({event.shard for event in events}),
            "ids": arrays.plain([event.id for event in events]),
            "cause": cause[:MAX_CAUSE_CHARACTERS],
        }
        self._connection.execute(OUTBOX.mark_failed, parameters)

    def _mark_dead(self, rejected: Sequence[tuple[UnsentEvent, str]]) -> None:
        """Mark events as DEAD that Kafka rejected; only later events of their orders wait for them."""
        for event, cause in rejected:
            logger().error("event rejected by Kafka, now DEAD", outbox_id=event.id, record_key=event.key, error=cause)
        shards = [event.shard for event, _ in rejected]
        parameters = {
            "shards": shards,
            "ids": [event.id for event, _ in rejected],
            "causes": [cause[:MAX_CAUSE_CHARACTERS] for _, cause in rejected],
        }
        self._connection.execute(OUTBOX.mark_dead, parameters)
        self._connection.execute(OUTBOX.set_has_dead, {"shards": shards})
        metrics.EVENTS_REJECTED.inc(len(rejected))

    def _observe(self, current: Round, sent: Sequence[UnsentEvent]) -> None:
        now_us = self._database_us()
        ages = sorted(max(0, now_us - event.occur_us) / 1000 for event in sent)
        observe_many(metrics.PUBLISH_DELAY, [age / 1000 for age in ages])
        for event_type, count in Counter([event.event_type for event in sent]).items():
            metrics.EVENTS_PUBLISHED.labels(topics.topic_of(event_type)).inc(count)
        current.sent += len(sent)
        if logging.debugs(__name__):
            logger().debug("events published", events=len(sent), duration_seconds=ages[-1] / 1000)
        current.p50_ms, current.p99_ms = ages[len(ages) // 2], ages[len(ages) * 99 // 100]

    def _database_us(self) -> int:
        """Return the time of the database in microseconds."""
        return int(time.monotonic() * 1_000_000) + self._clock_offset_us

    def _record_progress(self, current: Round) -> None:
        """Write the progress of this publisher, which is also its heartbeat."""
        now = time.monotonic()
        if current.read or now - self._heartbeat_at > HEARTBEAT_SECONDS:
            parameters = {
                "process": self._process,
                "published": current.sent,
                "p50_ms": current.p50_ms,
                "p99_ms": current.p99_ms,
            }
            self._connection.execute(OUTBOX.record_progress, parameters)
            self._heartbeat_at = now

    def _move_floors(self, claim: Claim) -> None:
        """Move the floors of claimed shards at intervals, by what earlier transactions read (see move_floors)."""
        now = time.monotonic()
        known = [shard for shard in claim.shards if shard in self._newest]
        if known and now - self._floors_moved_at > FLOOR_INTERVAL_SECONDS:
            newest = [self._newest.pop(shard) for shard in known]
            self._connection.execute(OUTBOX.move_floors, {"shards": known, "newest": newest})
            self._floors_moved_at = now


def log_sampled(sent: Sequence[UnsentEvent]) -> None:
    """Log each event whose trace is sampled; other traceparents are not parsed."""
    for event in sent:
        if trace := trace_context.sampled(event.traceparent):
            logger().info(
                "event published",
                trace_id=trace.trace_id,
                span_id=trace.span_id,
                event_type=EventType.Name(event.event_type),
                outbox_id=event.id,
                **({"order_id": event.key} if has_sequence(event) else {"product_id": event.key}),
            )
