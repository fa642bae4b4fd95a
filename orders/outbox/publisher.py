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
from typing import Any

import psycopg

from orders.domain.events import SHARDS
from orders.outbox.sender import Event, KafkaDown, Outcome, Sender, has_sequence, in_turn
from orders.settings import PublisherSettings
from orders.store.queries import OUTBOX
from runtime.kafka import topics
from runtime.postgres import arrays
from runtime.telemetry import metrics
from runtime.telemetry.call_durations import observe_many
from runtime.telemetry.logging import logger

FLOOR_SECONDS = 1.0
# Well within the patience of other sessions with a lock and of the server with an idle transaction.
MAX_CLAIM_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
MAX_CAUSE_CHARACTERS = 200


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
        self.events: list[Event] = []
        self.newest: dict[int, int] = {}
        self.taken = self.sent = 0
        self.dead_keys: set[str] = set()
        # Of the last batch: how old its events were when Kafka had them.
        self.p50_ms = self.p99_ms = 0.0
        self.take(events)

    def take(self, events: list[Event], before: Sequence[Event] = ()) -> None:
        """Take the next batch in hand: what was read last, and before it what was read and not sent."""
        self.taken += len(events)
        self.newest |= {event.shard: event.id for event in events}
        self.events = [*before, *events] if before else events
        if self.dead_keys:
            self.events = [event for event in self.events if event.key not in self.dead_keys]

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
        self._sender = Sender(settings, process)
        self._turn = os.getpid() % SHARDS
        self._floors_moved_at = 0.0
        # By shard, the newest event that was read in a transaction which has ended.
        self._newest: dict[int, int] = {}
        self._seen_at = 0.0
        self._offset_us = 0

    def run_once(self) -> int:
        """Publish a batch, more while there are full ones, and return how many events were taken up; 0 without any."""
        self._sender.prepare()
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
        outcome = Outcome()
        until = time.monotonic() + MAX_CLAIM_SECONDS
        while run.events:
            events, later = in_turn(run.events)
            self._sender.send(events)
            self._mark(run, outcome)
            full = len(run.events) >= self._settings.publisher_batch_events // 2 and time.monotonic() < until
            following = self._read(run.rest_of_claim()) if full else []
            outcome = self._sender.outcome(events)
            if outcome.again:
                # The limits of the topics are to be read again before anything else is sent.
                break
            run.dead_keys.update(event.key for event, _ in outcome.dead if has_sequence(event))
            # Never what was read last without what goes before it.
            run.take(following, later if full or time.monotonic() < until else ())
        self._mark(run, outcome)

    def close(self) -> None:
        """Give up what is not sent; it stays unsent in the outbox."""
        self._sender.close()

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
        return [Event._make(row) for row in rows]

    def _mark(self, run: Run, outcome: Outcome) -> None:
        if sent := outcome.sent:
            parameters = {
                "shards": arrays.plain({event.shard for event in sent}),
                "ids": arrays.plain([event.id for event in sent]),
                "first_us": min(event.occur_us for event in sent),
                "last_us": max(event.occur_us for event in sent),
            }
            self._connection.execute(OUTBOX.mark_sent, parameters)
            self._observe(run, sent)
        if outcome.dead:
            self._mark_dead(outcome.dead)

    def _mark_failed(self, events: Sequence[Event], cause: str) -> None:
        """Show in the outbox what is held up and why; it is tried again all the same."""
        parameters = {
            "shards": arrays.plain({event.shard for event in events}),
            "ids": arrays.plain([event.id for event in events]),
            "cause": cause[:MAX_CAUSE_CHARACTERS],
        }
        self._connection.execute(OUTBOX.mark_failed, parameters)

    def _mark_dead(self, dead: Sequence[tuple[Event, str]]) -> None:
        """Set events aside that Kafka refuses for good; only their orders' later events wait."""
        for event, cause in dead:
            logger().error("event refused for good", id=event.id, key=event.key, cause=cause)
        shards = [event.shard for event, _ in dead]
        parameters = {
            "shards": shards,
            "ids": [event.id for event, _ in dead],
            "causes": [cause[:MAX_CAUSE_CHARACTERS] for _, cause in dead],
        }
        self._connection.execute(OUTBOX.mark_dead, parameters)
        self._connection.execute(OUTBOX.note_dead, {"shards": shards})
        metrics.EVENTS_REJECTED.inc(len(dead))

    def _observe(self, run: Run, sent: Sequence[Event]) -> None:
        now_us = int(time.monotonic() * 1_000_000) + self._offset_us
        ages = sorted(max(0, now_us - event.occur_us) / 1000 for event in sent)
        observe_many(metrics.PUBLISH_DELAY, [age / 1000 for age in ages])
        for event_type, count in Counter([event.event_type for event in sent]).items():
            metrics.EVENTS_PUBLISHED.labels(topics.topic_of(event_type)).inc(count)
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
