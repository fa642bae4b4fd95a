"""Workers on a real log and a real database: each event counts exactly once, whatever happens between."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from counted_batches import batch_of, count
from dead_letter_desk import listed, redriven, shown
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metrics_oracle import sums
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from processor_servers import PARTITIONS, Analytics
from processor_world import TRACEPARENT, World, created, drive, history, new_id
from structlog.testing import capture_logs
from waiting import PATIENCE_SECONDS, await_true

from orders.domain.ids import uuid7
from processor import maintenance
from processor.counting import progress
from processor.dead_letters import inspection
from processor.events import decode
from processor.ledger import analytics_ledger_service
from processor.worker import Worker
from runtime.kafka import clients, topics
from runtime.postgres import connections
from runtime.telemetry import metrics

Events = Sequence[OrderEvent | StockEvent]


def test_events_delivered_twice_and_out_of_order_count_once(world: World) -> None:
    events = history(40)
    again = [*events, *events[::2]]
    random.Random(7).shuffle(again)
    world.send(again)
    world.drain(world.worker())
    assert world.metrics() == sums(events)
    assert world.rows("SELECT count(*) FROM processed_events") == [(len(events),)]
    assert world.rows("SELECT sum(counted) FROM partition_progress") == [(len(events),)]


def test_a_crash_between_the_commit_and_the_offsets_counts_nothing_twice(world: World) -> None:
    events = history(20)
    world.send(events)
    crashed = world.worker()
    while not world.counted_all():
        crashed.count(crashed._reader.read(1_000, 0.1))
    world.leave(crashed)
    before = world.metrics()
    more = history(5)
    world.send(more)
    world.drain(world.worker(1))
    assert before == sums(events)
    assert world.metrics() == sums([*events, *more])


def read_again(worker: Worker, events: int) -> None:
    """Drive a worker until it has read so many events; fail when it does not in time."""
    read = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while read < events:
        read += worker.run_once(0.2)
        assert time.monotonic() < deadline, f"{read} of {events} events were read again"


def test_offsets_rewound_to_the_beginning_change_nothing(world: World) -> None:
    events = history(20)
    world.send(events)
    worker = world.worker()
    world.drain(worker)
    world.leave(worker)
    world.commit(dict.fromkeys(world.beginnings(), 0))
    read_again(world.worker(1), len(events))
    assert world.metrics() == sums(events)


def test_workers_that_come_and_go_lose_and_double_nothing(world: World) -> None:
    events: list[OrderEvent | StockEvent] = []
    first = world.worker(0)
    for index in range(1, 4):
        more = history(30)
        events += more
        world.send(more)
        joining = world.worker(index)
        first.run_once(0.05)
        joining.run_once(0.05)
        world.drain(first, joining)
        world.leave(first)
        first = joining
    assert world.metrics() == sums(events)


def test_a_stale_worker_changes_nothing(world: World) -> None:
    events = history(20)
    stale = world.worker(0, processor_group=world.settings.processor_group + "-stale")
    world.settle(stale)
    world.send(events)
    held = []
    while len(held) < len(events):
        held += stale._reader.read(1_000, 0.2)
    world.drain(world.worker(1))
    positions = world.rows("SELECT topic, partition, next_offset FROM partition_progress ORDER BY 1, 2")
    stale.count(held)
    assert world.metrics() == sums(events)
    assert world.rows("SELECT topic, partition, next_offset FROM partition_progress ORDER BY 1, 2") == positions


DAY_SECONDS = 86_400


def test_events_ahead_of_the_clock_are_rejected_and_not_counted(world: World) -> None:
    now = int(time.time())
    soon = created(1, occur_time=Timestamp(seconds=now + DAY_SECONDS - 3_600))
    bad = {
        "year 9999": created(2, occur_time=Timestamp(seconds=253_402_300_799)),
        "after a day": created(3, occur_time=Timestamp(seconds=now + DAY_SECONDS + 3_600)),
        "an id of later": created(4, event_id=uuid7((now + DAY_SECONDS + 3_600) * 1_000_000)),
        "before 1970": created(5, occur_time=Timestamp(seconds=-1)),
        "no time": created(6, occur_time=Timestamp(seconds=10**15)),
    }
    world.send([soon, *bad.values()])
    world.drain(world.worker())
    assert world.metrics() == sums([soon])
    reasons = {event_id: reason for reason, event_id in world.dead_letters()}
    expected = ["TOO_NEW", "TOO_NEW", "TOO_NEW", "INVALID", "INVALID"]
    assert [reasons[event.event_id] for event in bad.values()] == expected


def test_the_clock_is_read_again_before_an_event_is_rejected_as_too_new(world: World) -> None:
    worker = world.worker()
    world.send([created(1)])
    world.drain(worker)
    # As if the database's clock had gone on by days since it was asked, as over a laptop's sleep.
    worker._session.window = worker._session.window._replace(newest_event_id=new_id(), newest_occur_us=1)
    more = history(5)
    world.send(more)
    world.drain(worker)
    assert world.dead_letters() == []
    assert world.rows("SELECT count(*) FROM processed_events") == [(1 + len(more),)]


def test_rejected_records_become_dead_letters_byte_for_byte_and_the_partition_continues(world: World) -> None:
    good = history(5)
    newer = created(1, schema_version=9)
    mixed_up = created(2)
    invalid = created(3, total_minor=-5)
    old = created(4, event_id="01000000-0000-7000-8000-000000000000")
    key = good[0].order_id.encode() if isinstance(good[0], OrderEvent) else b""
    sent = [
        ("EMPTY", key, None),
        ("INVALID", invalid.order_id.encode(), invalid.SerializeToString()),
        ("TOO_OLD", old.order_id.encode(), old.SerializeToString()),
        ("UNDECODABLE", None, b"\xff\x00random"),
        ("UNKNOWN_TYPE", newer.order_id.encode(), newer.SerializeToString()),
        ("WRONG_KEY", b"another", mixed_up.SerializeToString()),
    ]
    for _, key, value in sent:
        world.send_bytes(topics.ORDER_EVENTS, key, value, {"event-type": "ORDER_CREATED"})
    world.send(good)
    world.drain(world.worker())
    assert world.metrics() == sums(good)
    assert [reason for reason, _ in world.dead_letters()] == [reason for reason, _, _ in sent]
    for entry in listed(world):
        content = shown(world, entry.place)
        expected = {reason: (key, value) for reason, key, value in sent}
        assert (content.key, content.value) == expected[entry.reason]
        assert content.headers == [("event-type", b"ORDER_CREATED")]
    assert world.rows("SELECT count(*) FROM processed_events WHERE event_id = %s", newer.event_id) == [(0,)]


def test_a_dead_letter_redriven_after_an_upgrade_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = created(1, schema_version=2)
    world.send([newer])
    worker = world.worker()
    world.drain(worker)
    assert world.dead_letters() == [("UNKNOWN_TYPE", newer.event_id)]
    (entry,) = listed(world)
    monkeypatch.setattr(decode, "SCHEMA_VERSION", 2)
    assert redriven(world, entry.place) == [""]
    world.drain(worker)
    assert world.metrics() == sums([newer])
    assert listed(world) == []
    (kept,) = listed(world, state="REDRIVEN")
    assert kept.redriven_at is not None


def test_bytes_as_large_as_the_log_allows_become_a_dead_letter_too(world: World) -> None:
    value = b"\xff" * 999_000
    world.send_bytes(topics.ORDER_EVENTS, None, value)
    world.drain(world.worker())
    (entry,) = listed(world)
    assert shown(world, entry.place).value == value


def test_a_place_without_a_dead_letter_is_named(world: World) -> None:
    with pytest.raises(inspection.DeadLetterNotFound, match=r"order-events\.3\.99"):
        shown(world, (topics.ORDER_EVENTS, 3, 99))
    wrong = ("order-events.x", "order-events.3", "other.3.99", f"stock.3.99.{'-' * 36}", "outbox.3")
    assert [inspection.parse_place(text) for text in wrong] == [None] * len(wrong)


def test_a_deadlock_is_retried(world: World, analytics: Analytics) -> None:
    world.send([created(1)])
    worker = world.worker()
    world.drain(worker)
    lost_before = metrics.COUNTING_CONFLICTS._value.get()
    more = [created(2)]
    world.send(more)
    locked = ("revenue_total", "orders_total")
    update = "UPDATE sales_metrics SET updated_at = now() WHERE metric_name = %s"
    with psycopg.connect(analytics.admin) as rival:
        # So that the worker, not the rival, finds the deadlock and loses.
        rival.execute("SET deadlock_timeout = '20s'")
        rival.execute(update, (locked[0],))
        thread = threading.Thread(target=world.drain, args=(worker,))
        thread.start()
        await_true(lambda: world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
        rival.execute(update, (locked[1],))
    thread.join(30)
    assert metrics.COUNTING_CONFLICTS._value.get() > lost_before
    assert world.metrics()["orders_total", ""] == 2


def test_a_batch_whose_statement_times_out_is_counted_in_smaller_ones(
    world: World, analytics: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections.connection_options("ordermesh-processor", statement_timeout_ms=300)
    monkeypatch.setattr(progress, "connect", lambda dsn, pooler: psycopg.connect(dsn, **options))
    events = history(120)
    world.send(events)
    with slow_inserts(analytics, milliseconds=5), capture_logs() as logs:
        world.drain(world.worker())
    assert world.metrics() == sums(events)
    logged = [line["error"] for line in logs if (line["event"], line.get("work")) == ("outage began", "counting")]
    assert all("statement timeout" in str(error) for error in logged)
    assert logged


@contextmanager
def slow_inserts(analytics: Analytics, milliseconds: int) -> Iterator[None]:
    """Have each event take the database so long."""
    with psycopg.connect(analytics.owner, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_sleep({milliseconds / 1000}); RETURN NEW; END $$"
        )
        owner.execute("CREATE TRIGGER slow BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION slow()")
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION slow CASCADE")


def test_a_single_event_whose_statement_times_out_is_retried_with_backoff(
    world: World, analytics: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections.connection_options("ordermesh-processor", statement_timeout_ms=100)
    monkeypatch.setattr(progress, "connect", lambda dsn, pooler: psycopg.connect(dsn, **options))
    worker, waits = world.worker(), list[float]()
    stay = worker._reader.wait
    monkeypatch.setattr(worker._reader, "wait", lambda seconds: waits.append(seconds) or stay(seconds))
    event = created()
    world.send([event])
    with psycopg.connect(analytics.owner) as rival:
        rival.execute("LOCK TABLE sales_metrics")
        thread = threading.Thread(target=world.drain, args=(worker,))
        thread.start()
        await_true(lambda: len(waits) == 4)
    thread.join(30)
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert world.metrics() == sums([event])


def test_a_lost_connection_is_logged_once_and_counting_continues(world: World, analytics: Analytics) -> None:
    events = history(10)
    worker = world.worker()
    world.send(events[:5])
    world.drain(worker)
    with psycopg.connect(analytics.admin, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", (worker._session._connection.info.backend_pid,))  # type: ignore[union-attr]
    world.send(events[5:])
    with capture_logs() as logs:
        world.drain(worker)
    assert world.metrics() == sums(events)
    logged = [line["event"] for line in logs if line.get("work") == "counting"]
    assert logged == ["outage began", "outage ended"]


def test_a_database_that_is_read_only_for_a_while_is_waited_for(world: World, analytics: Analytics) -> None:
    """Make the database read-only, as the old primary after a failover: errors with 25006."""
    events = history(10)
    worker = world.worker()
    world.send(events[:5])
    world.drain(worker)
    with (
        capture_logs() as logs,
        ThreadPoolExecutor(1) as thread,
        psycopg.connect(analytics.admin, autocommit=True) as admin,
    ):
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        await_true(lambda: admin.execute("SHOW default_transaction_read_only").fetchone() == ("on",))
        world.send(events[5:])
        draining = thread.submit(world.drain, worker)
        await_true(lambda: any("read-only" in str(line.get("error")) for line in logs) or draining.done())
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")
        draining.result()
    assert world.metrics() == sums(events)


def test_metrics_restored_from_an_older_backup_are_counted_anew(world: World, analytics: Analytics) -> None:
    events = history(15)
    world.send(events)
    worker = world.worker()
    world.drain(worker)
    committed(world, worker)
    world.leave(worker)
    analytics.clear()
    with capture_logs() as logs:
        world.drain(world.worker(1))
    assert world.metrics() == sums(events)
    assert any(line["event"].startswith("metrics are behind the consumer group") for line in logs)


def committed(world: World, worker: object) -> None:
    """Block until the group's committed offsets are the positions of the database."""
    consumer: Consumer = worker._reader._consumer  # type: ignore[attr-defined]
    positions = {
        (row[0], row[1]): row[2] for row in world.rows("SELECT topic, partition, next_offset FROM partition_progress")
    }
    places = [TopicPartition(*place) for place in positions]
    await_true(lambda: all(at.offset == positions[at.topic, at.partition] for at in consumer.committed(places, 5)))


@pytest.mark.parametrize(("setting", "kind"), [("auto", "CONSUMER"), ("classic", "CLASSIC")])
def test_the_group_has_the_new_protocol_unless_the_setting_is_classic(world: World, setting: str, kind: str) -> None:
    worker = world.worker(kafka_group_protocol=setting)
    world.send([created(1)])
    world.drain(worker)
    group = world.settings.processor_group
    client = clients.admin(world.settings, "tests")
    assert client.describe_consumer_groups([group])[group].result(10).type.name == kind


@pytest.mark.parametrize("setting", ["auto", "classic"])
def test_two_workers_have_half_of_each_topic(world: World, setting: str) -> None:
    workers = [world.worker(index, kafka_group_protocol=setting) for index in range(2)]

    def of_each_topic() -> list[list[int]]:
        held = [worker._reader.assignment.partitions for worker in workers]
        return [[number for name, number in one if name == topic] for one in held for topic in topics.EVENT_TOPICS]

    drive(lambda: all(len(held) == PARTITIONS / 2 for held in of_each_topic()), *workers)


def test_an_event_of_a_sampled_trace_is_logged_once(world: World) -> None:
    event = created(1)
    world.send([event, event], {"traceparent": TRACEPARENT})
    world.send([created(2)], {"traceparent": TRACEPARENT[:-1] + "0"})
    with capture_logs() as logs:
        world.drain(world.worker())
    lines = [line for line in logs if line["event"] == "event counted"]
    assert [(line["order_id"], line["trace_id"]) for line in lines] == [(event.order_id, TRACEPARENT[3:35])]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), cuts=st.integers(1, 6))
def test_any_split_order_and_repetition_counts_each_event_once(analytics: Analytics, seed: int, cuts: int) -> None:
    analytics.clear()
    rng = random.Random(seed)
    events = history(12)
    shuffled = rng.sample(events, len(events))
    with progress.connect(analytics.worker) as connection:
        for first in range(cuts):
            part = shuffled[first::cuts]
            count(connection, batch_of(part))
            count(connection, batch_of(rng.sample(part, len(part) // 2)))
        rows = connection.execute("SELECT metric_name, dimension, value FROM sales_metrics WHERE value <> 0")
        assert {(name, dimension): value for name, dimension, value in rows} == sums(events)


def test_partitions_are_made_ahead_and_dropped_without_spoiling_the_audit(world: World, analytics: Analytics) -> None:
    ancient = created(1, event_id="01980000-0000-7000-8000-000000000000")
    recent = created(2)
    with progress.connect(analytics.worker) as connection:
        count(connection, batch_of([ancient, recent]))
    maintenance.run_once(world.settings)
    assert world.rows("SELECT event_id::text FROM processed_events") == [(recent.event_id,)]
    with psycopg.connect(analytics.reader) as reader:
        assert reader.execute(analytics_ledger_service.SQL.metric_differences).fetchall() == []
    names = world.rows("SELECT count(*) FROM pg_class WHERE relname ~ '^processed_events_[0-9]{8}$' AND relkind = 'r'")
    assert names[0][0] >= 5


@pytest.mark.parametrize("most_moved", [50_000, 2], ids=["moved", "turned"])
def test_a_day_that_began_in_the_default_partition_gets_its_own_while_events_come(
    world: World, analytics: Analytics, most_moved: int
) -> None:
    """However many rows there are: a few are moved, of many the default partition becomes the day's."""
    with psycopg.connect(analytics.owner, autocommit=True) as owner:
        today = datetime.now(UTC).date()
        name = f"processed_events_{today:%Y%m%d}"
        owner.execute(f"DROP TABLE {name}")  # type: ignore[arg-type]
        first, stop = [created(seed) for seed in range(5)], threading.Event()
        with progress.connect(analytics.worker) as connection:
            count(connection, batch_of(first))
        sent: list[OrderEvent] = []

        def keep_counting() -> None:
            with progress.connect(analytics.worker) as connection:
                while not stop.is_set():
                    sent.append(created(len(sent)))
                    count(connection, batch_of(sent[-1:]))

        with ThreadPoolExecutor(1) as pool:
            counting = pool.submit(keep_counting)
            made = owner.execute("SELECT make_partition('processed_events', %s, %s)", (today, most_moved)).fetchone()
            reached = len(sent) + 20
            try:
                await_true(lambda: len(sent) > reached or counting.done())
            finally:
                stop.set()
            counting.result()
        assert made == (name,)
        assert owner.execute(f"SELECT count(*) FROM {name}").fetchone() == (len(first) + len(sent),)  # type: ignore[arg-type]
        assert owner.execute("SELECT count(*) FROM processed_events_default").fetchone() == (0,)


def test_expired_rows_are_deleted_however_many_there_are(world: World, analytics: Analytics) -> None:
    with psycopg.connect(analytics.owner, autocommit=True) as owner:
        owner.execute(
            'INSERT INTO dead_letter (topic, partition, "offset", dlq_topic, dlq_partition, dlq_offset,'
            " reason, detail, created_at, redriven_at)"
            " SELECT 'stock', 0, n, 'stock.dlq', 0, n, 'EMPTY', '', '2020-01-01',"
            " CASE WHEN n % 2 = 0 THEN now() - n / 1000 * interval '1 day' END FROM generate_series(0, 59999) AS n"
        )
        owner.execute("INSERT INTO worker_heartbeat VALUES ('dead', 0, now() - interval '90 days'), ('idle', 0, now())")
    maintenance.run_once(world.settings)
    days = world.settings.processor_retention_days
    # Dead letters that nobody redrove are kept, however old.
    left = "SELECT count(*) FILTER (WHERE redriven_at IS NULL), count(redriven_at) FROM dead_letter"
    assert world.rows(left) == [(30_000, days * 500)]
    assert world.rows("SELECT worker_id FROM worker_heartbeat") == [("idle",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM processed_events",
        "TRUNCATE sales_metrics",
        "DROP TABLE sales_metrics",
        "SELECT drop_partition('processed_events', now()::date)",
    ],
)
def test_a_worker_may_not_undo_what_was_counted(analytics: Analytics, statement: str) -> None:
    with psycopg.connect(analytics.worker) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_a_reader_may_not_write(analytics: Analytics) -> None:
    with psycopg.connect(analytics.reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE sales_metrics SET value = 0")


def test_ids_of_one_millisecond_stay_in_the_day_of_their_time(analytics: Analytics) -> None:
    with psycopg.connect(analytics.worker) as connection:
        row = connection.execute("SELECT first_event_id(now() - interval '1 hour')::text").fetchone()
    assert row is not None
    assert row[0] < new_id()
