"""One counting worker: reads a batch of events, counts it in one transaction, then moves the group's offsets."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Sequence

import psycopg
from confluent_kafka import KafkaException, Message

from processor import maintenance
from processor.consume import poison_pills as crashes
from processor.consume.log_reader import LogReader
from processor.consume.pauses import Pauses
from processor.counting import transaction as store
from processor.counting.reporting import tell
from processor.dead_letters.writer import LetterBox, LetterNotWritten
from processor.events import decode, positions
from processor.events.batch import Batch, LogWentBack, Place, set_aside, sort_out
from processor.settings import WorkSettings
from processor.supervise import SERVICE
from runtime.backoff import Backoff
from runtime.chunks import parts
from runtime.exit_codes import ExitCode
from runtime.postgres.sqlstates import Retry, meaning
from runtime.process.background import BackgroundEnded, BackgroundThreads
from runtime.process.child import run_child
from runtime.process.garbage_collection import RareCollector
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.pacing import BatchPacer
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

IDLE_SECONDS = 0.25
MANY_EVENTS_PER_SECOND = 750
# So many are decoded at a time while the database records those before.
DECODED_EVENTS = 500
BEAT_SECONDS = 1.0
HOUR_SECONDS = 3600.0
BACKOFF = Backoff(first_seconds=0.1, max_seconds=2.0)
# So many lost conflicts in a row are tried again at once, those after them like an outage.
MAX_CONFLICTS = 5
# A batch makes tens of thousands of objects without cycles; looking for cycles among them took half of the time.
COLLECT_AFTER_OBJECTS = 100_000


class WindowOutdated(Exception):
    """An event is before its time by what the database's clock said earlier: it may have been set since."""


class Worker:
    """A consumer of the group with a connection of its own; not for use by several threads."""

    def __init__(self, settings: WorkSettings, index: int = 0, stop: threading.Event | None = None) -> None:
        self._settings = settings
        self._stop = stop or threading.Event()
        # The port tells the processors of a machine apart.
        self.worker_id = f"{socket.gethostname()}:{settings.metrics_address.rpartition(':')[2]}/{index}"
        client_id = f"ordermesh-processor-{index}"
        self._reader = LogReader(settings, client_id)
        self._letters = LetterBox(settings, client_id)
        self._pauses = Pauses(settings)
        self._outage = Outage("counting")
        self._suspects = crashes.Suspects()
        self._in_hand: list[Place] = []
        self._most_events = settings.processor_batch_events
        self._conflicts = 0
        self._connection: store.Connection | None = None
        self._knows_last_end = False
        self._window = decode.ANY_TIME
        self._window_is_new = False
        self._refreshed_at = self._beaten_at = float("-inf")

    def run(self) -> None:
        """Count until told to stop; what is in hand then is finished, or left to the next owner of its partitions."""
        garbage = RareCollector(COLLECT_AFTER_OBJECTS)
        pace = BatchPacer(MANY_EVENTS_PER_SECOND)
        try:
            while not self._stop.is_set():
                started = time.monotonic()
                events = self.run_once()
                HEARTBEAT.record()
                garbage.collect()
                if events:
                    self._stop.wait(pace.pause_seconds(events, started))
            self._end_in_order()
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
        """Count messages in one transaction, waiting out whatever stands against it; those left over are read again.

        Returns None when there is nothing to commit: no message, partitions taken away, a stop asked for.
        Raises psycopg.Error when to try again is of no use.
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
                self._conflicts = 0
                self._most_events = min(2 * self._most_events, self._settings.processor_batch_events)
                return batch
        return None

    def _go_on(self, error: Exception, messages: Sequence[Message]) -> Sequence[Message]:
        """Make ready for another attempt and return what to count in it. Raises what another would not mend."""
        if not isinstance(error, psycopg.Error):
            return self._wait_out(error, messages)
        found = meaning(error)
        if found.retry is Retry.NEVER:
            raise error
        if isinstance(error, psycopg.errors.SerializationFailure):
            # A mark may not be where this worker began.
            self._reader.realign()
        if found.drops_connection:
            self._disconnect()
        elif found.retry is Retry.LATER:
            # Of a statement that took too long, a smaller one may not.
            self._most_events = max(min(self._most_events, len(messages)) // 2, 1)
        if found.retry is Retry.LATER or self._conflicts == MAX_CONFLICTS:
            return self._wait_out(error, messages)
        self._conflicts += 1
        metrics.COUNTING_CONFLICTS.inc()
        logger().warning("transaction lost a conflict, trying again", error=type(error).__name__)
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
        first = self._suspects.first(messages[: self._most_events])
        self._take_in_hand(connection, first)
        if not first and not self._reader.reached_ends:
            return None
        later = messages[len(first) :]
        batch = self._transact(connection, first, later)
        self._suspects.settle(connection, batch.spans)
        if bad := self._pauses.counted(connection, batch):
            self._reader.hold(bad)
        self._reader.put_back(later)
        return batch

    def _transact(self, connection: store.Connection, messages: Sequence[Message], later: Sequence[Message]) -> Batch:
        """Count messages in one transaction, and leave others for later."""
        started = time.perf_counter()
        with store.counting(connection) as counting:
            batch = self._record(messages, counting)
            self._reader.cover_ends(batch, later)
            if not self._window_is_new and any(one.poison.reason == decode.Reason.TOO_NEW for one in batch.parked):
                raise WindowOutdated
            if batch.parked:
                self._letters.write(batch.parked)
            counted = counting.finish(batch)
        self._window_is_new = False
        self._letters.forget(batch.parked)
        self._reader.counted(batch.spans)
        metrics.COUNTING_BATCH_DURATION.observe(time.perf_counter() - started)
        tell(batch, counted)
        return batch

    def _take_in_hand(self, connection: store.Connection, messages: Sequence[Message]) -> None:
        """Note which suspects are counted next; without suspects that costs nothing."""
        places = self._suspects.name(messages)
        if places != self._in_hand:
            crashes.take_in_hand(connection, self.worker_id, places)
            self._in_hand = places

    def _record(self, messages: Sequence[Message], counting: store.Counting) -> Batch:
        """Decode the messages, some at a time: the database records some while the next are decoded."""
        batch = Batch(self._reader.marks)
        if messages and (ends := self._suspects.to_blame(messages[0])):
            why = f"{ends} workers ended with this record in hand"
            set_aside(messages[0], batch, decode.Poison(decode.Reason.CRASHED_WORKER, why))
            return batch
        for some in parts(messages, DECODED_EVENTS):
            known = len(batch.events)
            sort_out(some, batch, self._window)
            counting.record(batch.events[known:], batch.places[known:])
        return batch

    def _connected(self) -> store.Connection:
        if self._connection is None:
            dsn = self._settings.analytics_dsn.get_secret_value()
            self._connection = store.connect(dsn, self._settings.postgres_pooler)
            self._refreshed_at = self._beaten_at = float("-inf")
            self._reader.realign()
        if not self._knows_last_end:
            self._note_last_end(self._connection)
            self._knows_last_end = True
        return self._connection

    def _note_last_end(self, connection: store.Connection) -> None:
        known, most = store.marks(connection), self._settings.processor_batch_events
        if partitions := crashes.note_last_end(connection, self.worker_id, known, most):
            metrics.WORKER_CRASHES.inc()
            logger().warning("the last run of this worker ended without a word", partitions=partitions)

    def _end_in_order(self) -> None:
        """Say that this end has nothing to do with what is in hand."""
        if self._connection is not None:
            try:
                store.leave(self._connection, self.worker_id)
            except psycopg.Error as error:
                logger().warning("the end of this worker could not be noted", error=str(error).strip())

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
        starts = positions.starts(known, self._reader.extents(), committed)
        store.open_marks(connection, starts)
        went_elsewhere = self._reader.align(starts, committed)
        if went_elsewhere:
            self._letters.forget_all()
        self._pauses.load(connection, self._reader.held)
        self._suspects.load(connection, self.worker_id, self._reader.held, self._settings.processor_batch_events)
        self._beaten_at = float("-inf")
        return went_elsewhere

    def _keep_house(self, connection: store.Connection) -> None:
        """Do what is due: show that this worker is alive, learn which events are too old to count."""
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_SECONDS:
            store.beat(connection, self.worker_id, self._reader.held)
            if due := self._pauses.due(connection):
                self._reader.let_go(due)
            metrics.ASSIGNED_PARTITIONS.set(len(self._reader.held))
            metrics.PAUSED_PARTITIONS.set(len(self._pauses))
            self._beaten_at = now
        if now - self._refreshed_at >= HOUR_SECONDS:
            self._window = store.window(connection, self._settings.processor_retention_days)
            self._window_is_new = True
            self._refreshed_at = now

    def _wait_out(self, error: Exception, messages: Sequence[Message]) -> list[Message]:
        """Wait before the next attempt, as a member of the group; return what of the messages is still ours."""
        HEARTBEAT.record()
        late = self._reader.wait(BACKOFF.delay_seconds(self._outage.begins(error)))
        return self._reader.still_held([*messages, *late])


def run(index: int) -> None:
    """Run one worker as this process; the first one also keeps the tables' partitions."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    metrics.create("processor")
    stop = on_signal()
    threads = BackgroundThreads(stop)
    if index == 0:
        threads.start("maintenance", lambda: maintenance.run(settings, stop))
    Worker(settings, index, stop).run()
    try:
        threads.check()
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


if __name__ == "__main__":
    run_child(run)
