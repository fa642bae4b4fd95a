"""One counting worker: reads a batch of events, counts it in one transaction, then moves the group's offsets."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

import psycopg
from confluent_kafka import KafkaException, Message
from ordermesh.events.v1.events_pb2 import EventType

from processor import decode, maintenance, marks, store
from processor.batch import Batch, LogWentBack, sort_out
from processor.letter_box import LetterBox, LetterNotWritten
from processor.log_reader import LogReader
from processor.retry import LetterLimit, wait_seconds
from processor.settings import WorkSettings
from processor.supervise import SERVICE
from runtime import logging, metrics
from runtime.background import BackgroundEnded, Threads
from runtime.exit_codes import ExitCode
from runtime.logging import logger
from runtime.outage import Outage
from runtime.pace import Pace
from runtime.parts import parts
from runtime.shutdown import on_signal
from runtime.sqlstates import Retry, meaning
from runtime.supervise import run_child

IDLE_SECONDS = 0.25
MANY_EVENTS_PER_SECOND = 750
# So many are decoded at a time while the database records those before.
DECODED_EVENTS = 500
BEAT_SECONDS = 1.0
HOUR_SECONDS = 3600.0
# The histogram of latencies gets this many events of a batch; all of them would cost more than counting does.
OBSERVED_EVENTS = 20
# A batch makes tens of thousands of objects without cycles; looking for cycles among them took half of the time.
COLLECT_AFTER_OBJECTS = 100_000


class WindowOutdated(Exception):
    """An event is before its time by what the database's clock said earlier: it may have been set since."""


class Worker:
    """A consumer of the group with a connection of its own; not for use by several threads."""

    def __init__(self, settings: WorkSettings, index: int = 0, stop: threading.Event | None = None) -> None:
        self._settings = settings
        self._stop = stop or threading.Event()
        self.worker_id = f"{socket.gethostname()}/{index}"
        client_id = f"ordermesh-processor-{index}"
        self._reader = LogReader(settings, client_id)
        self._letters = LetterBox(settings, client_id)
        self._limit = LetterLimit(settings.processor_dead_letters_per_minute)
        self._outage = Outage("counting")
        self._connection: store.Connection | None = None
        self._window = decode.ANY_TIME
        self._window_is_new = False
        self._refreshed_at = self._beaten_at = float("-inf")

    def run(self) -> None:
        """Count until told to stop; what is in hand then is finished, or left to the next owner of its partitions."""
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER_OBJECTS)
        pace = Pace(MANY_EVENTS_PER_SECOND)
        try:
            while not self._stop.is_set():
                started = time.monotonic()
                if events := self.run_once():
                    self._stop.wait(pace.rest_seconds(events, started))
        finally:
            self.close()

    def run_once(self, wait_seconds: float = IDLE_SECONDS) -> int:
        """Count one batch and return how many events were read, 0 when there was none within `wait_seconds`."""
        messages = self._reader.read(self._settings.processor_batch_events, wait_seconds)
        batch = self.count(messages)
        if batch is None:
            return 0
        self._reader.commit(batch.spans)
        return sum(span.events for span in batch.spans.values())

    def count(self, messages: Sequence[Message]) -> Batch | None:
        """Count messages in one transaction, waiting out whatever stands against it.

        Returns None when there is nothing to commit: no message, partitions taken away, a stop asked for.
        """
        while not self._stop.is_set():
            try:
                batch = self._count_once(messages)
            except LogWentBack as error:
                self._reader.distrust(error.partition)
            except WindowOutdated:
                self._refreshed_at = float("-inf")
            except (psycopg.Error, LetterNotWritten, KafkaException) as error:
                messages = self._go_on(error, messages)
            else:
                self._outage.ends()
                self._reader.go_on()
                return batch
        return None

    def _go_on(self, error: Exception, messages: Sequence[Message]) -> Sequence[Message]:
        """Make ready for another attempt and return what to count in it. Raises what another would not mend."""
        retry = meaning(error).retry if isinstance(error, psycopg.Error) else Retry.LATER
        if retry is Retry.NEVER:
            raise error
        if retry is Retry.LATER:
            return self._wait_out(error, messages)
        metrics.COUNT_CONFLICTS.inc()
        logger().warning("transaction lost a conflict, trying again", error=type(error).__name__)
        if isinstance(error, psycopg.errors.SerializationFailure):
            # A mark may not be where this worker began.
            self._reader.realign()
        return messages

    def close(self) -> None:
        """Leave the group and the database."""
        self._reader.close()
        self._disconnect()

    def _count_once(self, messages: Sequence[Message]) -> Batch | None:
        connection = self._connected()
        self._reader.watch_topics()
        if self._realigned(connection):
            return None
        self._keep_house(connection)
        if not messages and not self._reader.reached_ends:
            return None
        started = time.perf_counter()
        with store.counting(connection) as counting:
            batch = self._record(messages, counting)
            if not self._window_is_new and any(one.poison.reason == decode.Reason.TOO_NEW for one in batch.parked):
                raise WindowOutdated
            if batch.parked:
                self._limit.check()
                self._letters.write(batch.parked)
            counted = counting.finish(batch)
        self._window_is_new = False
        self._letters.forget()
        self._limit.add(len(batch.parked))
        self._reader.counted(batch.spans)
        metrics.COUNT_SECONDS.observe(time.perf_counter() - started)
        record(batch, counted)
        return batch

    def _record(self, messages: Sequence[Message], counting: store.Counting) -> Batch:
        """Decode the messages, some at a time: the database records some while the next are decoded."""
        batch = Batch(self._reader.marks)
        for some in parts(messages, DECODED_EVENTS):
            known = len(batch.events)
            sort_out(some, batch, self._window)
            counting.record(batch.events[known:], batch.places[known:])
        self._reader.cover_ends(batch)
        return batch

    def _connected(self) -> store.Connection:
        if self._connection is None:
            dsn = self._settings.analytics_dsn.get_secret_value()
            self._connection = store.connect(dsn, self._settings.postgres_pooler)
            self._refreshed_at = self._beaten_at = float("-inf")
            self._reader.realign()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _realigned(self, connection: store.Connection) -> bool:
        """Go where the database's marks are, and say whether what was read must be read again."""
        if not self._reader.unaligned:
            return False
        committed = self._reader.committed()
        known = store.marks(connection)
        starts = marks.starts(known, self._reader.extents(), committed)
        store.open_marks(connection, starts)
        if not self._reader.align(starts, committed):
            return False
        self._letters.forget()
        return True

    def _keep_house(self, connection: store.Connection) -> None:
        """Do what is due: show that this worker is alive, learn which events are too old to count."""
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_SECONDS:
            store.beat(connection, self.worker_id, len(self._reader.held))
            metrics.ASSIGNED_PARTITIONS.set(len(self._reader.held))
            self._beaten_at = now
        if now - self._refreshed_at >= HOUR_SECONDS:
            self._window = store.window(connection, self._settings.processor_retention_days)
            self._window_is_new = True
            self._refreshed_at = now

    def _wait_out(self, error: Exception, messages: Sequence[Message]) -> list[Message]:
        """Wait before the next attempt, as a member of the group; return what of the messages is still ours."""
        if isinstance(error, psycopg.Error):
            self._disconnect()
        late = self._reader.wait(wait_seconds(self._outage.begins(error)))
        return self._reader.still_held([*messages, *late])


def record(batch: Batch, counted: store.Counted) -> None:
    """Add a counted batch to the metrics of this process, and the events of sampled traces to the log."""
    metrics.COUNT_EVENTS.observe(len(batch.events))
    metrics.DUPLICATES.inc(counted.duplicates)
    for type_, events in Counter(event.type for event in counted.events).items():
        metrics.COUNTED.labels(EventType.Name(type_)).inc(events)
    for reason, letters in Counter(letter.poison.reason for letter in batch.parked).items():
        metrics.PARKED.labels(reason.value).inc(letters)
    now = time.time()
    for event in counted.events[:: len(counted.events) // OBSERVED_EVENTS + 1]:
        metrics.EVENT_SECONDS.observe(max(now - event.occur_us / 1_000_000, 0))
    if batch.sampled:
        log_sampled(batch, {event.event_id for event in counted.events})


def log_sampled(batch: Batch, new_ids: set[str]) -> None:
    """Write a line for each new event whose trace is followed."""
    for event, (partition, offset) in zip(batch.events, batch.places, strict=True):
        context = batch.sampled.get(event.event_id)
        if context is not None and event.event_id in new_ids:
            logger().info(
                "event counted",
                trace_id=context.trace_id,
                order_id=event.order_id,
                event_id=event.event_id,
                event_type=EventType.Name(event.type),
                partition=partition,
                offset=offset,
            )


def run(index: int) -> None:
    """Run one worker as this process; the first one also keeps the tables' partitions."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    metrics.begin(metrics.PROCESSOR)
    stop = on_signal()
    threads = Threads(stop)
    if index == 0:
        threads.start("maintenance", lambda: maintenance.run(settings, stop))
    Worker(settings, index, stop).run()
    try:
        threads.check()
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


if __name__ == "__main__":
    run_child(run)
