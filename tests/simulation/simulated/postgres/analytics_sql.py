"""What the queries of a worker do (processor/counting, processor/consume), row by row."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from processor.consume.pauses import SQL as PAUSES
from processor.consume.poison_pills import SQL as POISON_PILLS
from processor.counting.progress import SQL as PROGRESS
from processor.counting.transaction import SQL as COUNTING
from runtime.kafka import event_rules
from runtime.kafka.offsets import NO_TOPIC
from simulated.postgres import array_literals as arrays
from simulated.postgres.connection import Handler
from simulated.postgres.database import Transaction

Rows = list[tuple[Any, ...]]
SILENT_SECONDS = (3.0, 60.0)


def insert_events(transaction: Transaction, parameters: Any) -> Rows:
    """Insert events and return the ids of those that were counted before."""
    known: Rows = []
    columns = ("event_ids", "types", "totals_minor", "partitions", "offsets")
    for event_id, *row in zip(*(arrays.plain(parameters[name]) for name in columns), strict=True):
        transaction.lock("processed_events", event_id)
        if transaction.get("processed_events", event_id) is None:
            transaction.put("processed_events", event_id, dict(zip(columns[1:], row, strict=True)))
        else:
            known.append((event_id,))
    return known


def insert_dead_letters(transaction: Transaction, parameters: Any) -> Rows:
    """Record dead letters and return the partitions of those that are new."""
    names = ("topics", "partitions", "offsets", "topic_ids", "reasons", "dlq_partitions", "dlq_offsets")
    new: Rows = []
    for *key, reason, dlq_partition, dlq_offset in zip(*(parameters[name] for name in names), strict=True):
        place = tuple(key)
        transaction.lock("dead_letter", place)
        if transaction.get("dead_letter", place) is None:
            row = {"reason": reason, "dlq_partition": dlq_partition, "dlq_offset": dlq_offset}
            transaction.put("dead_letter", place, row)
            new.append(place[:2])
    return new


def add_progress(transaction: Transaction, parameters: Any) -> Rows:
    """Advance positions; none of them when one is not where the batch started."""
    names = ("topics", "partitions", "topic_ids", "first_offsets", "next_offsets")
    batch = sorted(zip(*(parameters[name] for name in names), strict=True))
    for topic, partition, *_ in batch:
        transaction.lock("partition_progress", (topic, partition))
    for topic, partition, topic_id, first, following in batch:
        row = transaction.get("partition_progress", (topic, partition))
        if row is None or row["topic_id"] != topic_id or row["next_offset"] < first:
            raise psycopg.errors.SerializationFailure("the partition positions are not where this worker began")
        changes = {"next_offset": max(row["next_offset"], following)}
        transaction.put("partition_progress", (topic, partition), row | changes)
    return [(None,)]


def add_metrics(transaction: Transaction, parameters: Any) -> Rows:
    """Add to metrics."""
    dimensions = arrays.quoted(parameters["dimensions"])
    for *key, change in zip(
        arrays.plain(parameters["names"]), dimensions, arrays.numbers(parameters["changes"]), strict=True
    ):
        name = tuple(key)
        transaction.lock("sales_metrics", name)
        row = transaction.get("sales_metrics", name)
        transaction.put("sales_metrics", name, {"value": (row["value"] if row else 0) + change})
    return []


def list_positions(transaction: Transaction, _: Any) -> Rows:
    """Return the positions."""
    return [(*key, row["topic_id"], row["next_offset"]) for key, row in sorted(transaction.rows("partition_progress"))]


def initialize_positions(transaction: Transaction, parameters: Any) -> Rows:
    """Set positions that are missing, or unchanged since they were read."""
    names = ("topics", "partitions", "topic_ids", "next_offsets", "recorded_ids", "recorded_offsets")
    for topic, partition, topic_id, offset, recorded_id, recorded in zip(*(parameters[n] for n in names), strict=True):
        key = (topic, partition)
        transaction.lock("partition_progress", key)
        row = transaction.get("partition_progress", key)
        as_read = row is not None and (row["topic_id"], row["next_offset"]) == (recorded_id, recorded)
        if as_read or (row is None and recorded_id is None):
            transaction.put("partition_progress", key, {"topic_id": topic_id, "next_offset": offset})
    return []


def nothing(_: Transaction, parameters: Any) -> Rows:
    """Do nothing: no topic is made again in the simulation."""
    assert not [each for each in parameters.get("recorded_ids", ()) if each == NO_TOPIC]
    return []


def event_window(transaction: Transaction, parameters: Any) -> Rows:
    """Return which events may be counted."""
    now_us = transaction.database.now_us
    oldest = f"{(now_us - parameters['retention_days'] * 86_400_000_000) // 1000:012x}"
    return [(f"{oldest[:8]}-{oldest[8:]}", *event_rules.newest(now_us))]


def record_heartbeat(transaction: Transaction, parameters: Any) -> Rows:
    """Record that a worker is alive."""
    worker = parameters["worker_id"]
    transaction.lock("worker_heartbeat", worker)
    row = transaction.get("worker_heartbeat", worker) or {"in_flight": None}
    changes = {"assigned": parameters["assigned"].obj, "seen_at": transaction.database.scheduler.now}
    transaction.put("worker_heartbeat", worker, row | changes)
    return []


def worker_number(transaction: Transaction, parameters: Any) -> Rows:
    """Return the number of a worker."""
    worker = parameters["worker_id"]
    transaction.lock("worker", worker)
    number = transaction.get("worker", worker) or transaction.database.next_id()
    transaction.put("worker", worker, number)
    return [(number,)]


def record_in_flight(transaction: Transaction, parameters: Any) -> Rows:
    """Record which suspect records a worker counts next."""
    worker, in_flight = parameters["worker_id"], parameters["in_flight"]
    transaction.lock("worker_heartbeat", worker)
    if (row := transaction.get("worker_heartbeat", worker)) is not None:
        transaction.put("worker_heartbeat", worker, row | {"in_flight": in_flight and json.loads(in_flight)})
    return []


def last_run(transaction: Transaction, parameters: Any) -> Rows:
    """Return what a worker's last run had assigned and in flight."""
    row = transaction.get("worker_heartbeat", parameters["worker_id"])
    return [(row["assigned"], row["in_flight"])] if row and row["assigned"] is not None else []


def insert_crash(transaction: Transaction, parameters: Any) -> Rows:
    """Record what a worker had in flight when it crashed."""
    worker = parameters["worker_id"]
    transaction.lock("worker_heartbeat", worker)
    row = transaction.get("worker_heartbeat", worker)
    transaction.put("worker_heartbeat", worker, (row or {}) | {"assigned": None, "in_flight": None})
    names = ("topics", "partitions", "first_offsets", "next_offsets")
    for topic, partition, first, following in zip(*(parameters[name] for name in names), strict=True):
        crash = {"place": (topic, partition), "first": first, "next": following, "records": parameters["records"]}
        transaction.put("worker_crash", transaction.database.next_id(), crash | {"resolved": False})
    return []


def list_suspects(transaction: Transaction, parameters: Any) -> Rows:
    """Return the records in flight at crashes, and those of workers that are silent."""
    now = transaction.database.scheduler.now
    found = [
        (*row["place"], row["first"], row["next"], row["records"])
        for _, row in sorted(transaction.rows("worker_crash"))
        if not row["resolved"]
    ]
    for worker, row in sorted(transaction.rows("worker_heartbeat")):
        silent = SILENT_SECONDS[0] <= now - row["seen_at"] <= SILENT_SECONDS[1]
        if worker == parameters["worker_id"] or not silent:
            continue
        if row["in_flight"]:
            found += [(*span, row["in_flight"]["records"]) for span in row["in_flight"]["spans"]]
            continue
        for place in map(tuple, row["assigned"] or ()):
            position = transaction.get("partition_progress", place)
            first = position["next_offset"] if position else 0
            found.append((*place, first, first + parameters["records"], parameters["records"]))
    return found


def resolve_crashes(transaction: Transaction, parameters: Any) -> Rows:
    """Resolve the crashes whose in-flight records are all counted."""
    ends = dict(
        zip(zip(parameters["topics"], parameters["partitions"], strict=True), parameters["next_offsets"], strict=True)
    )
    for key, row in list(transaction.rows("worker_crash")):
        if not row["resolved"] and row["next"] <= ends.get(row["place"], 0):
            transaction.lock("worker_crash", key)
            transaction.put("worker_crash", key, row | {"resolved": True})
    return []


def list_pauses(transaction: Transaction, _: Any) -> Rows:
    """Return no pause: the records of strangers are too few."""
    return []


HANDLERS: dict[str, Handler] = {
    COUNTING.insert_events: insert_events,
    COUNTING.insert_dead_letters: insert_dead_letters,
    COUNTING.advance_positions: add_progress,
    COUNTING.add_metrics: add_metrics,
    PROGRESS.list_positions: list_positions,
    PROGRESS.initialize_positions: initialize_positions,
    PROGRESS.assign_topic_ids: nothing,
    PROGRESS.resolve_crashes_of_old_topics: nothing,
    PROGRESS.event_window: event_window,
    PROGRESS.record_heartbeat: record_heartbeat,
    PROGRESS.worker_number: worker_number,
    POISON_PILLS.record_in_flight: record_in_flight,
    POISON_PILLS.last_run: last_run,
    POISON_PILLS.insert_crash: insert_crash,
    POISON_PILLS.list_suspects: list_suspects,
    POISON_PILLS.resolve_crashes: resolve_crashes,
    PAUSES.list_pauses: list_pauses,
}
