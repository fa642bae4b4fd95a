"""One counting worker: reads a batch of records, counts it in one transaction, then commits the group's offsets.

The way of a batch: `GroupReader.read`, `decode_into`, `CountingTransaction`, `GroupReader.counted` and `commit`.
Rejected records go to `DeadLetterWriter` before the transaction commits.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Sequence

import psycopg
from confluent_kafka import KafkaException, Message

from processor import maintenance
from processor.attempts import Attempts
from processor.consume import poison_pills
from processor.consume.group_reader import GroupReader
from processor.consume.pauses import Pauses
from processor.consume.poison_pills import PoisonPillDetector
from processor.counting import progress
from processor.counting.counting_spans import record_spans
from processor.counting.reporting import create_metrics, report
from processor.counting.transaction import CountingTransaction, counting
from processor.dead_letters.writer import DeadLetterNotWritten, DeadLetterWriter
from processor.events import resume_positions
from processor.events.batch import Batch, OffsetWentBack, Place, decode_into, reject_into
from processor.events.event import Reason, Rejection
from processor.session import Session
from processor.settings import WorkSettings
from processor.supervise import SERVICE
from runtime.batched import batched
from runtime.exit_codes import ExitCode
from runtime.postgres.connection_types import Connection
from runtime.postgres.sqlstates import classify
from runtime.process.background import BackgroundEnded, BackgroundThreads
from runtime.process.child import run_child
from runtime.process.garbage_collection import RareCollector
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.pacing import BatchPacer
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics
from runtime.telemetry.tracing.tracer import TRACER

IDLE_SECONDS = 0.25
MANY_EVENTS_PER_SECOND = 750
# Events decoded at a time, while the database inserts those before.
DECODED_EVENTS = 500
# A batch creates tens of thousands of objects without cycles; searching them for cycles took half of the time.
COLLECT_AFTER_OBJECTS = 100_000


class WindowOutdated(Exception):
    """An event is too new by an event window read earlier: the database's clock may have been set since."""


class Worker:
    """A member of the consumer group with a database session; not for use by several threads."""

    def __init__(self, settings: WorkSettings, index: int = 0, stop: threading.Event | None = None) -> None:
        self._settings = settings
        self._stop = stop or threading.Event()
        # The port distinguishes the processors of a host.
        self.worker_id = f"{socket.gethostname()}:{settings.metrics_address.rpartition(':')[2]}/{index}"
        client_id = f"ordermesh-processor-{index}"
        self._reader = GroupReader(settings, client_id)
        self._assignment = self._reader.assignment
        self._session = Session(settings, self.worker_id, on_connect=self._assignment.realign_all)
        self._dead_letters = DeadLetterWriter(settings, client_id)
        self._pauses = Pauses(settings)
        self._poison_pills = PoisonPillDetector()
        self._in_flight: list[Place] = []
        self._attempts = Attempts(settings.processor_batch_events)
        self._received_ns = 0

    def run(self) -> None:
        """Count until asked to stop; then finish the batch in flight, or leave it to the next worker."""
        garbage = RareCollector(COLLECT_AFTER_OBJECTS)
        pacer = BatchPacer(MANY_EVENTS_PER_SECOND)
        try:
            while not self._stop.is_set():
                started = time.monotonic()
                events = self.run_once()
                HEARTBEAT.record()
                garbage.collect()
                if events:
                    self._stop.wait(pacer.pause_seconds(events, started))
            self._session.end_cleanly()
        finally:
            self.close()

    def run_once(self, wait_seconds: float = IDLE_SECONDS) -> int:
        """Count one batch and return the number of records read, 0 when none arrived within `wait_seconds`."""
        messages = self._reader.read(self._settings.processor_batch_events, wait_seconds)
        batch = self.count(messages)
        if batch is None:
            return 0
        self._reader.commit(batch.ranges)
        return sum(covered.records for covered in batch.ranges.values())

    def count(self, messages: Sequence[Message]) -> Batch | None:
        """Count messages in one transaction, retrying with backoff; messages left over are read again.

        Returns None when there is nothing to commit: no message, partitions revoked, a stop requested.
        Raises psycopg.Error when a retry cannot succeed.
        """
        self._received_ns = time.time_ns()
        while not self._stop.is_set():
            try:
                batch = self._count_once(messages)
            except OffsetWentBack as error:
                self._assignment.reset(error.partition)
            except WindowOutdated:
                self._session.expire_window()
            except (psycopg.Error, DeadLetterNotWritten, KafkaException) as error:
                messages = self._prepare_retry(error, messages)
            else:
                self._reader.end_wait()
                self._attempts.succeeded()
                return batch
        return None

    def _count_once(self, messages: Sequence[Message]) -> Batch | None:
        connection = self._session.connection()
        self._reader.check_topic_ids()
        if self._align(connection):
            return None
        self._refresh(connection)
        first = self._poison_pills.first_batch(messages[: self._attempts.most_events])
        self._record_in_flight(connection, first)
        if not first and not self._assignment.has_empty_tail:
            return None
        later = messages[len(first) :]
        batch = self._transact(connection, first, later)
        self._poison_pills.resolve(connection, batch.ranges)
        if bad := self._pauses.partitions_to_pause(connection, batch):
            self._reader.pause(bad)
        self._reader.put_back(later)
        return batch

    def _transact(self, connection: Connection, messages: Sequence[Message], later: Sequence[Message]) -> Batch:
        """Count messages in one transaction; `later` are counted in another."""
        started, started_ns = time.perf_counter(), time.time_ns()
        with counting(connection, self._session.worker_number) as transaction:
            batch = self._decode(messages, transaction)
            self._assignment.cover_empty_tails(batch, later)
            if not self._session.window_is_new and any(
                each.rejection.reason == Reason.TOO_NEW for each in batch.dead_letters
            ):
                raise WindowOutdated
            if batch.dead_letters:
                self._dead_letters.write(batch.dead_letters)
            counted = transaction.finish(batch)
        committed_ns = time.time_ns()
        self._session.window_is_new = False
        self._dead_letters.forget(batch.dead_letters)
        self._reader.counted(batch.ranges)
        metrics.COUNTING_BATCH_DURATION.observe(time.perf_counter() - started)
        report(batch, counted)
        record_spans(batch, counted, self._settings.processor_group, self._received_ns, (started_ns, committed_ns))
        return batch

    def _decode(self, messages: Sequence[Message], transaction: CountingTransaction) -> Batch:
        """Decode the messages in parts: the database inserts one while the next is decoded."""
        batch = Batch(self._assignment.positions)
        if messages and (crashes := self._poison_pills.crashes_by(messages[0])):
            detail = f"{crashes} workers crashed with this record in flight"
            reject_into(batch, messages[0], Rejection(Reason.CRASHED_WORKER, detail))
            return batch
        for part in batched(messages, DECODED_EVENTS):
            decoded = len(batch.events)
            decode_into(batch, part, self._session.window)
            transaction.record(batch.events[decoded:], batch.places[decoded:])
        return batch

    def _align(self, connection: Connection) -> bool:
        """Seek to the positions of the database where needed; return whether what was read must be read again."""
        if not self._assignment.unaligned:
            return False
        committed = self._reader.committed()
        recorded = progress.positions(connection)
        starts = resume_positions.starts(recorded, self._reader.offsets(), committed)
        progress.initialize_positions(connection, starts)
        assigned, batch_events = self._assignment.partitions, self._settings.processor_batch_events
        self._pauses.load(connection, assigned, self._assignment.paused)
        self._poison_pills.load(connection, self.worker_id, assigned, batch_events)
        # Last: with an error after it, messages of the positions before would be counted.
        moved = self._reader.align(starts, committed)
        if moved:
            self._dead_letters.forget_all()
        self._session.expire_heartbeat()
        return moved

    def _refresh(self, connection: Connection) -> None:
        """Record the heartbeat, resume paused partitions that are due, and refresh the event window, when due."""
        if self._session.record_heartbeat(self._assignment.partitions):
            if due := self._pauses.partitions_to_resume(connection):
                self._reader.resume(due)
            metrics.ASSIGNED_PARTITIONS.set(len(self._assignment.partitions))
            metrics.PAUSED_PARTITIONS.set(len(self._pauses))
        self._session.refresh_window()

    def _record_in_flight(self, connection: Connection, messages: Sequence[Message]) -> None:
        """Record which suspect records are counted next; without suspects nothing is written."""
        places = self._poison_pills.suspect_places(messages)
        if places != self._in_flight:
            poison_pills.record_in_flight(connection, self.worker_id, places)
            self._in_flight = places

    def _prepare_retry(self, error: Exception, messages: Sequence[Message]) -> Sequence[Message]:
        """Wait before another attempt, staying in the group, and return what to count in it.

        Raises the error if no attempt can succeed.
        """
        delay_seconds = self._attempts.failed(error, len(messages))
        if isinstance(error, psycopg.errors.SerializationFailure):
            # A position may not be where this worker started.
            self._assignment.realign_all()
        if isinstance(error, psycopg.Error) and classify(error).drops_connection:
            self._session.close()
        if not delay_seconds:
            return messages
        HEARTBEAT.record()
        late = self._reader.wait(delay_seconds)
        return self._assignment.still_assigned([*messages, *late])

    def close(self) -> None:
        """Leave the group and close the database session."""
        self._reader.close()
        self._session.close()


def run(index: int) -> None:
    """Run one worker as this process; the first worker also runs the database maintenance."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    create_metrics()
    metrics.create("maintenance")
    stop = on_signal()
    threads = BackgroundThreads(stop)
    if index == 0:
        threads.start("maintenance", lambda: maintenance.run(settings, stop))
    with TRACER.started(SERVICE, settings):
        Worker(settings, index, stop).run()
    try:
        threads.check()
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


if __name__ == "__main__":
    run_child(run)
