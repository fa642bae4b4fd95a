"""Publishes the outbox: claims shards, produces their events in order, waits for the acks, marks them, commits.

Any number of publishers run side by side; the row lock of a shard makes each order's events one publisher's at a time.
A publisher that dies in between leaves duplicates in Kafka at most, and consumers drop those by event id.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import KafkaError, KafkaException, Producer
from ordermesh.events.v1.events_pb2 import EventType

from orders.events import SHARDS
from orders.settings import PublisherSettings
from orders.sql import OUTBOX
from runtime import arrays, kafka, metrics
from runtime.call_times import observe_many
from runtime.logging import logger

FLOOR_SECONDS = 1.0
# Well within the patience of other sessions with a lock and of the server with an idle transaction.
MAX_CLAIM_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
MAX_CAUSE_CHARACTERS = 200
# Errors that are this one message's fault for good; all others are the cluster's, and are ridden out.
REFUSED = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError._INVALID_ARG}
PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


# By type of event: its topic, and the headers that all events of it have.
DESTINATIONS = {
    number: (topic, (("event-type", name), ("content-type", kafka.CONTENT_TYPES[topic])))
    for name, number in EventType.items()
    for topic in (kafka.topic_of(number),)
}


class Event(NamedTuple):
    """An unsent row of the outbox."""

    id: int
    shard: int
    event_type: int
    key: str
    payload: bytes
    traceparent: str
    occur_us: int


class KafkaDown(Exception):
    """Kafka did not acknowledge in time; nothing was marked."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Shards that this publisher holds for one transaction."""

    shards: list[int]
    floors: list[int]
    with_dead: list[int]


class Run:
    """What one transaction publishes: the batch in hand, and how far each shard has been read."""

    def __init__(self, claim: Claim, events: list[Event]) -> None:
        self._claim = claim
        self.newest: dict[int, int] = {}
        self.taken = self.sent = 0
        # Of the last batch: how old its events were when Kafka had them.
        self.p50_ms = self.p99_ms = 0.0
        self.take(events)

    def take(self, events: list[Event]) -> None:
        """Take the next batch in hand."""
        self.events = events
        self.taken += len(events)
        self.newest |= {event.shard: event.id for event in events}

    def rest_of_claim(self) -> Claim:
        """Return the claim without what was read."""
        floors = [
            self.newest.get(shard, floor) for shard, floor in zip(self._claim.shards, self._claim.floors, strict=True)
        ]
        return replace(self._claim, floors=floors)


class Publisher:
    """One publisher. `run_once` may block for the patience with Kafka; raises psycopg.Error and KafkaDown."""

    def __init__(self, settings: PublisherSettings, connection: psycopg.Connection[Any], process: str) -> None:
        self._settings = settings
        self._connection = connection
        self._process = process
        self._producer = self._new_producer()
        self._turn = os.getpid() % SHARDS
        self._refused: dict[int, tuple[Event, KafkaError]] = {}
        self._floors_moved_at = 0.0
        # By shard, the newest event that was read in a transaction which has ended.
        self._newest: dict[int, int] = {}
        self._seen_at = 0.0
        self._offset_us = 0

    def run_once(self) -> int:
        """Publish a batch, more while there are full ones, and return how many events were taken up; 0 without any."""
        self._refused.clear()
        down: KafkaDown | None = None
        with self._connection.transaction():
            claim = self._claim()
            run = Run(claim, self._read(claim))
            try:
                self._publish(run)
            except KafkaDown as error:
                down = error
                self._mark_failed(run.events, str(error))
            self._note(run)
            self._move_floors(claim)
        self._newest |= run.newest
        if down:
            raise down
        return run.taken

    def _publish(self, run: Run) -> None:
        """Publish batch after batch: while Kafka has one, the one before is marked and the one after is read."""
        acknowledged: list[Event] = []
        until = time.monotonic() + MAX_CLAIM_SECONDS
        while run.events:
            self._produce(run.events)
            if acknowledged:
                self._mark(run, acknowledged)
            full = len(run.events) >= self._settings.publisher_batch_events // 2 and time.monotonic() < until
            following = self._read(run.rest_of_claim()) if full else []
            self._await_acks()
            acknowledged = run.events
            run.take(following)
        if acknowledged:
            self._mark(run, acknowledged)

    def close(self) -> None:
        """Give up what is not sent; it stays unsent in the outbox."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _new_producer(self) -> Producer:
        overrides = {"delivery.report.only.error": True, "queue.buffering.max.messages": 100_000}
        return kafka.producer(self._settings, self._process, overrides)

    def _claim(self) -> Claim:
        parameters = {"turn": self._turn, "shards": self._settings.publisher_shards}
        rows = self._connection.execute(OUTBOX.claim_shards, parameters).fetchall()
        self._turn = (self._turn + self._settings.publisher_shards) % SHARDS
        if rows:
            self._offset_us = rows[-1][3] - int(time.monotonic() * 1_000_000)
        return Claim([row[0] for row in rows], [row[1] for row in rows], [row[0] for row in rows if row[2]])

    def _read(self, claim: Claim) -> list[Event]:
        if not claim.shards:
            return []
        dead_keys: list[str] = []
        if claim.with_dead:
            cursor = self._connection.execute(OUTBOX.dead_keys, {"shards": claim.with_dead})
            dead_keys = [row[0] for row in cursor]
        parameters = {
            "shards": claim.shards,
            "floors": claim.floors,
            "dead_keys": dead_keys,
            "per_shard": -(-self._settings.publisher_batch_events // len(claim.shards)),
        }
        rows = self._connection.execute(OUTBOX.read_events, parameters, binary=True).fetchall()
        return [Event._make(row) for row in rows]

    def _produce(self, events: Sequence[Event]) -> None:
        """Hand the events to Kafka's client; those of a key that had one refused wait."""
        refused_keys = {event.key for event, _ in self._refused.values()}
        for event in events:
            if event.key in refused_keys:
                self._refused[event.id] = (event, KafkaError(KafkaError._PURGE_QUEUE))
            elif not self._send(event):
                refused_keys.add(event.key)

    def _await_acks(self) -> None:
        """Wait until each event is acknowledged or refused. Raises KafkaDown."""
        waiting = self._producer.flush(self._settings.publisher_ack_seconds)
        if waiting or any(code not in REFUSED | PURGED for code in (e.code() for _, e in self._refused.values())):
            self._give_up(waiting)

    def _send(self, event: Event) -> bool:
        """Put one event into the producer's queue; False when the client refuses it at once."""
        topic, own = DESTINATIONS[event.event_type]
        headers: list[tuple[str, str | bytes | None]] = [("traceparent", event.traceparent), *own]
        try:
            self._producer.produce(
                topic, event.payload, event.key, on_delivery=partial(self._delivered, event), headers=headers
            )
        except KafkaException as error:
            self._refused[event.id] = (event, error.args[0])
            return False
        except BufferError:
            self._producer.flush(self._settings.publisher_ack_seconds)
            return self._send(event)
        return True

    def _delivered(self, event: Event, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._refused[event.id] = (event, error)

    def _give_up(self, waiting: int) -> None:
        """Drop what is not acknowledged and build a new producer: what it sent may be there, then twice."""
        errors = {error.name() for _, error in self._refused.values() if error.code() not in PURGED}
        self._producer.purge()
        self._producer.flush(1.0)
        self._producer = self._new_producer()
        metrics.PUBLISH_FAILURES.labels("kafka").inc()
        raise KafkaDown(f"{waiting} events not acknowledged" + (f": {', '.join(sorted(errors))}" if errors else ""))

    def _mark(self, run: Run, events: Sequence[Event]) -> None:
        sent = [event for event in events if event.id not in self._refused]
        if sent:
            parameters = {
                "shards": arrays.plain({event.shard for event in sent}),
                "ids": arrays.plain([event.id for event in sent]),
                "first_us": min(event.occur_us for event in sent),
                "last_us": max(event.occur_us for event in sent),
            }
            self._connection.execute(OUTBOX.mark_sent, parameters)
            self._observe(run, sent)
        refused = [self._refused[event.id] for event in events if event.id in self._refused]
        dead = [(event, error) for event, error in refused if error.code() in REFUSED]
        if dead:
            self._mark_dead(dead)

    def _mark_failed(self, events: Sequence[Event], cause: str) -> None:
        """Show in the outbox what is held up and why; it is tried again all the same."""
        parameters = {
            "shards": arrays.plain({event.shard for event in events}),
            "ids": arrays.plain([event.id for event in events]),
            "cause": cause[:MAX_CAUSE_CHARACTERS],
        }
        self._connection.execute(OUTBOX.mark_failed, parameters)

    def _mark_dead(self, dead: Sequence[tuple[Event, KafkaError]]) -> None:
        """Set events aside that Kafka refuses for good; only their orders' later events wait."""
        for event, error in dead:
            logger().error("event refused for good", id=event.id, key=event.key, cause=error.str())
        shards = [event.shard for event, _ in dead]
        parameters = {
            "shards": shards,
            "ids": [event.id for event, _ in dead],
            "causes": [error.str()[:MAX_CAUSE_CHARACTERS] for _, error in dead],
        }
        self._connection.execute(OUTBOX.mark_dead, parameters)
        self._connection.execute(OUTBOX.note_dead, {"shards": shards})
        metrics.PUBLISH_DEAD.inc(len(dead))

    def _observe(self, run: Run, sent: Sequence[Event]) -> None:
        now_us = int(time.monotonic() * 1_000_000) + self._offset_us
        ages = sorted(max(0, now_us - event.occur_us) / 1000 for event in sent)
        observe_many(metrics.PUBLISH_SECONDS, [age / 1000 for age in ages])
        for event_type, count in Counter([event.event_type for event in sent]).items():
            metrics.PUBLISHED.labels(kafka.topic_of(event_type)).inc(count)
        run.sent += len(sent)
        run.p50_ms, run.p99_ms = ages[len(ages) // 2], ages[len(ages) * 99 // 100]

    def _note(self, run: Run) -> None:
        """Write how far this publisher has come."""
        now = time.monotonic()
        if run.taken or now - self._seen_at > HEARTBEAT_SECONDS:
            parameters = {"process": self._process, "published": run.sent, "p50_ms": run.p50_ms, "p99_ms": run.p99_ms}
            self._connection.execute(OUTBOX.note_progress, parameters)
            self._seen_at = now

    def _move_floors(self, claim: Claim) -> None:
        """Now and then move the floors of claimed shards; only by what earlier transactions read, see move_floors."""
        now = time.monotonic()
        known = [shard for shard in claim.shards if shard in self._newest]
        if known and now - self._floors_moved_at > FLOOR_SECONDS:
            newest = [self._newest.pop(shard) for shard in known]
            self._connection.execute(OUTBOX.move_floors, {"shards": known, "newest": newest})
            self._floors_moved_at = now
