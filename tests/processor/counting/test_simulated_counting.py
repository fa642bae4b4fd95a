"""The analytics database of the simulation (tests/simulation) does what PostgreSQL does with the same queries."""

import uuid
from random import Random
from typing import Any

import psycopg
import pytest
from processor_servers import Analytics
from psycopg.types.json import Jsonb
from simulated.postgres.analytics_sql import HANDLERS
from simulated.postgres.database import Database
from simulated.postgres.side_by_side import SideBySide
from simulated.scheduler import Scheduler

from processor.consume.poison_pills import SQL as POISON_PILLS
from processor.counting.progress import SQL as PROGRESS
from processor.counting.transaction import SQL, CountingTransaction, add_metrics
from processor.events.event import Event
from runtime.kafka.topics import ORDER_EVENTS

TOPIC_ID = uuid.UUID(int=1)
OCCUR_US = 1_790_000_000_000_000
STATES = {
    "partition_progress": "SELECT topic, partition, topic_id, next_offset FROM partition_progress",
    "sales_metrics": "SELECT metric_name, dimension, value FROM sales_metrics",
    "processed_events": "SELECT event_id::text FROM processed_events",
    "dead_letter": 'SELECT topic, partition, "offset", topic_id FROM dead_letter',
}


class Steps:
    """What workers do, in an order that a seed decides."""

    def __init__(self, seed: int, real: psycopg.Connection) -> None:
        self.random = Random(seed)
        self.real, self.database = real, Database(Scheduler(seed))
        self.pair = SideBySide(real, self.database, HANDLERS)
        self.offsets = dict.fromkeys(range(3), 0)

    def count(self) -> None:
        partition, events = self.random.randrange(3), self.random.randint(1, 5)
        ids = self.random.sample(range(1, 60), events)
        first = max(0, self.offsets[partition] + self.random.choice((0, 0, 0, -2, 2)))
        try:
            with self.pair.transaction(commits=self.random.random() < 0.8):
                self.insert(ids, partition, first)
                ranges: dict[str, list[Any]] = {"topics": [ORDER_EVENTS], "partitions": [partition]}
                ranges |= {"topic_ids": [TOPIC_ID], "first_offsets": [first], "next_offsets": [first + events]}
                ranges |= {"counted": [events], "dead_letters": [0]}
                # It has one row without a value, which is not looked at.
                times = {"p50_occur_us": OCCUR_US, "p99_occur_us": OCCUR_US}
                self.pair.execute(SQL.advance_positions, ranges | times, slice(0))
                add_metrics(Both(self.pair), {("orders_total", ""): events, ("top_products_units", "p1"): 2})  # type: ignore[arg-type]
        except psycopg.errors.SerializationFailure:
            return

    def insert(self, ids: list[int], partition: int, first: int) -> None:
        events = [Event(str(uuid.UUID(int=one)), str(uuid.UUID(int=7)), 3, OCCUR_US, 1, 3, 5, 0, ()) for one in ids]
        places = [(partition, first + number) for number in range(len(ids))]
        CountingTransaction(Both(self.pair), worker=1).record(events, places)  # type: ignore[arg-type]
        if self.random.random() < 0.3:
            self.pair.execute(SQL.insert_dead_letters, dead_letter(partition, self.random.randrange(9)))

    def initialize(self) -> None:
        with self.pair.transaction():
            known = {row[1]: row for row in self.pair.execute(PROGRESS.list_positions, None)}
            partition = self.random.randrange(3)
            found = known.get(partition)
            recorded = self.random.choice((found[3], 99)) if found else None
            wanted = {"topics": [ORDER_EVENTS], "partitions": [partition], "topic_ids": [TOPIC_ID]}
            read = {"recorded_ids": [found and found[2]], "recorded_offsets": [recorded]}
            following = {"next_offsets": [self.random.randrange(30)]}
            self.pair.execute(PROGRESS.initialize_positions, wanted | read | following)

    def crash(self) -> None:
        worker = self.random.choice(("a", "b"))
        place = [ORDER_EVENTS, self.random.randrange(3)]
        with self.pair.transaction():
            self.pair.execute(PROGRESS.record_heartbeat, {"worker_id": worker, "assigned": Jsonb([place])})
            in_flight = self.random.choice((None, f'{{"records": 1, "spans": [["{place[0]}", {place[1]}, 4, 5]]}}'))
            self.pair.execute(POISON_PILLS.record_in_flight, {"worker_id": worker, "in_flight": in_flight})
            self.pair.execute(POISON_PILLS.last_run, {"worker_id": worker})
            crash = {"topics": place[:1], "partitions": place[1:], "first_offsets": [4], "next_offsets": [6]}
            self.pair.execute(POISON_PILLS.insert_crash, crash | {"worker_id": worker, "records": 2})
            self.pair.execute(POISON_PILLS.last_run, {"worker_id": worker})

    def suspects(self) -> None:
        with self.pair.transaction():
            self.pair.execute(POISON_PILLS.list_suspects, {"worker_id": "c", "records": 10})
            passed = {"topics": [ORDER_EVENTS], "partitions": [self.random.randrange(3)]}
            self.pair.execute(POISON_PILLS.resolve_crashes, passed | {"next_offsets": [self.random.choice((5, 6))]})
            self.pair.execute(POISON_PILLS.list_suspects, {"worker_id": "c", "records": 10})

    def compare(self) -> None:
        tables = self.database.tables
        simulated: dict[str, list[Any]] = {
            "partition_progress": [
                (*key, row["topic_id"], row["next_offset"]) for key, row in tables["partition_progress"].items()
            ],
            "sales_metrics": [(*key, row["value"]) for key, row in tables["sales_metrics"].items()],
            "processed_events": [(event_id,) for event_id in tables["processed_events"]],
            "dead_letter": list(tables["dead_letter"]),
        }
        for table, query in STATES.items():
            assert sorted(self.real.execute(query)) == sorted(simulated[table]), table
        for partition in self.offsets:
            row = tables["partition_progress"].get((ORDER_EVENTS, partition))
            self.offsets[partition] = row["next_offset"] if row else 0


class Both:
    """A connection to both databases, for the product's own functions."""

    def __init__(self, pair: SideBySide) -> None:
        self.execute = pair.execute


def dead_letter(partition: int, offset: int) -> dict[str, list[Any]]:
    empty = ("dlq_topics", "dlq_partitions", "dlq_offsets", "event_ids", "order_ids", "event_types")
    kept = {"event_keys": [b"k"], "event_values": [b"v"], "event_headers": ["[]"]}
    place = {"topics": [ORDER_EVENTS], "topic_ids": [TOPIC_ID], "partitions": [partition], "offsets": [offset]}
    return {**{name: [None] for name in empty}, **kept, **place, "reasons": ["INVALID"], "details": ["x"]}


@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_database_counts_as_postgresql_does(analytics: Analytics, seed: int) -> None:
    with psycopg.connect(analytics.owner, autocommit=True) as real:
        steps = Steps(seed, real)
        for _ in range(60):
            actions = (steps.count, steps.count, steps.count, steps.initialize, steps.crash, steps.suspects)
            steps.random.choice(actions)()
            steps.compare()
