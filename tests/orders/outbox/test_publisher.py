import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message
from dead_event_desk import discarded, listed, redriven
from kafka_broker import environment, with_properties
from ordermesh.events.v1.events_pb2 import EventType
from outbox_world import TRACE, UNSENT, drain, event, floor, in_shard, insert, order_ids, publishing, sequences, status
from psycopg.pq import TransactionStatus

from orders.domain import events
from orders.domain.ids import uuid7
from orders.outbox.publisher import Publisher
from orders.outbox.sender import KafkaUnavailable, Sender
from orders.settings import PublisherSettings
from stack.servers.kafka.broker import Kafka


def test_an_event_arrives_byte_for_byte_with_its_headers(
    publisher: Publisher, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    (order_id,) = order_ids(1)
    made = event(order_id, 1)
    (row,) = insert(writer, made)
    assert publisher.run_once() == 1
    (message,) = log()
    assert (message.topic(), message.key(), message.value()) == ("order-events", order_id.encode(), made.payload)
    assert message.timestamp()[0] != TIMESTAMP_NOT_AVAILABLE
    assert dict(message.headers()) == {
        "traceparent": TRACE.encode(),
        "event-type": b"ORDER_CREATED",
        "content-type": b"application/x-protobuf; type=ordermesh.events.v1.OrderEvent",
    }
    assert status(writer, row) == ["SENT"]
    assert publisher.run_once() == 0


def test_a_stock_event_goes_to_its_own_topic(
    publisher: Publisher, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    insert(writer, events.restocked(uuid7(1), "p7", 3, 1, TRACE))
    drain(publisher)
    assert [(message.topic(), message.key()) for message in log()] == [("stock", b"p7")]


def test_three_publishers_side_by_side_keep_the_order_of_each_key(
    settings: PublisherSettings, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    orders = order_ids(60)
    small = settings.model_copy(update={"publisher_shards": 8, "publisher_batch_events": 40})
    with ExitStack() as stack, ThreadPoolExecutor(3) as threads:
        publishers = [stack.enter_context(publishing(small, f"publisher@{n}")) for n in range(3)]
        for sequence in range(1, 6):
            work = [threads.submit(each.run_once) for each in publishers]
            insert(writer, *(event(order_id, sequence) for order_id in orders))
            for done in work:
                done.result()
        while writer.execute(UNSENT).fetchone() != (0,):
            for done in [threads.submit(each.run_once) for each in publishers]:
                done.result()
    messages = log()
    assert len(messages) == 300
    assert all(sequences(messages, order_id) == [1, 2, 3, 4, 5] for order_id in orders)
    assert writer.execute("SELECT sum(published)::int FROM progress").fetchone() == (300,)


DIES_BEFORE_THE_MARK = """
import os, signal, psycopg
from orders.outbox import publisher
from orders.outbox.publisher import Publisher
from orders.settings import PublisherSettings
from runtime.postgres.connections import connection_options
publisher.MAX_CLAIM_SECONDS = 60
settings = PublisherSettings.load()
Publisher._mark = lambda _self, run, result: result.sent and not run.events and os.kill(os.getpid(), signal.SIGKILL)
with psycopg.connect(settings.orders_dsn.get_secret_value(), **connection_options("dies")) as connection:
    Publisher(settings, connection, "publisher@dies").run_once()
"""


def test_a_publisher_killed_before_marking_leaves_duplicates_and_no_gap(
    publisher: Publisher, settings: PublisherSettings, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    orders = order_ids(20)
    for sequence in (1, 2):
        insert(writer, *(event(order_id, sequence) for order_id in orders))
    env = os.environ | {
        "ORDERMESH_ORDERS_DSN": settings.orders_dsn.get_secret_value(),
        **environment(settings),
        "ORDERMESH_PUBLISHER_SHARDS": "64",
    }
    done = subprocess.run([sys.executable, "-c", DIES_BEFORE_THE_MARK], env=env)
    assert done.returncode == -signal.SIGKILL
    assert len(log()) == 40
    assert writer.execute(UNSENT).fetchone() == (40,)
    while writer.execute(UNSENT).fetchone() != (0,):
        publisher.run_once()
    messages = log()
    assert len(messages) == 80
    assert len({message.value() for message in messages}) == 40
    assert all(sequences(messages, order_id) == [1, 2, 1, 2] for order_id in orders)


@pytest.mark.parametrize("begins_first", ["lower id", "higher id"])
def test_an_event_of_a_transaction_that_commits_late_is_never_skipped(
    publisher: Publisher,
    orders_dsn: str,
    writer: psycopg.Connection,
    log: Callable[[], list[Message]],
    begins_first: str,
) -> None:
    late, early, *more = in_shard(7, 6)
    with psycopg.connect(orders_dsn) as open_one, psycopg.connect(orders_dsn) as quick:
        if begins_first == "higher id":
            quick.execute("SELECT pg_current_xact_id()")
        (low,) = insert(open_one, event(late, 1))
        (high,) = insert(quick, event(early, 1))
        assert low < high
        quick.commit()
        drain(publisher)
        for order_id in more:
            insert(writer, event(order_id, 1))
            drain(publisher)
        assert floor(writer, 7) < low
        open_one.commit()
    drain(publisher)
    assert sequences(log(), late) == [1]
    assert status(writer, low, high) == ["SENT", "SENT"]


def test_floors_wait_for_transactions_that_begin_after_the_claim(
    publisher: Publisher, orders_dsn: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, early, *more = in_shard(7, 6)
    claim = publisher._claim
    with psycopg.connect(orders_dsn) as open_one, psycopg.connect(orders_dsn) as quick:

        def claim_and_then() -> object:
            claimed = claim()
            if quick.info.transaction_status == TransactionStatus.IDLE:
                quick.execute("SELECT pg_current_xact_id()")
                insert(open_one, event(late, 1))
                insert(quick, event(early, 1))
                quick.commit()
                monkeypatch.undo()
                monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
            return claimed

        monkeypatch.setattr(publisher, "_claim", claim_and_then)
        drain(publisher)
        for order_id in more:
            insert(writer, event(order_id, 1))
            drain(publisher)
        open_one.commit()
    drain(publisher)
    assert writer.execute(UNSENT).fetchone() == (0,)


def test_late_events_beyond_a_batch_keep_the_floor_below_them(
    settings: PublisherSettings, orders_dsn: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    one_each = settings.model_copy(update={"publisher_batch_events": 64})
    late, early = in_shard(7, 2)
    with publishing(one_each) as publisher, psycopg.connect(orders_dsn) as open_one:
        insert(open_one, *(event(late, sequence) for sequence in range(1, 6)))
        insert(writer, event(early, 1))
        drain(publisher)
        open_one.commit()
        drain(publisher)
    assert writer.execute(UNSENT).fetchone() == (0,)


def test_floors_move_when_nothing_holds_them_and_with_an_old_snapshot_held(
    publisher: Publisher, orders_dsn: str, writer: psycopg.Connection
) -> None:
    with psycopg.connect(orders_dsn) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        reader.execute("SELECT count(*) FROM event_outbox")
        ids = []
        for order_id in in_shard(7, 6):
            ids += insert(writer, event(order_id, 1))
            drain(publisher)
    assert ids[0] <= floor(writer, 7) < ids[-1]


def test_a_floor_never_passes_an_unsent_row(
    settings: PublisherSettings, orders_dsn: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions of several writers overlap in all ways while two publishers alternate, with one event per shard."""
    import random

    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    monkeypatch.setattr(Sender, "send", lambda *_: None)
    one_each = settings.model_copy(update={"publisher_batch_events": 64})
    dice = random.Random(11)
    below = "SELECT count(*) FROM event_outbox JOIN outbox_shard USING (shard) WHERE id <= floor_id AND {}".format
    with ExitStack() as stack:
        publishers = [stack.enter_context(publishing(one_each, f"publisher@{n}")) for n in range(2)]
        writers = [stack.enter_context(psycopg.connect(orders_dsn)) for _ in range(4)]
        for _ in range(250):
            each = dice.choice(writers)
            match dice.randrange(5):
                case 0:
                    each.execute("SELECT pg_current_xact_id()")
                case 1 | 2:
                    insert(each, *(event(order_id, 1) for order_id in in_shard(dice.randrange(2), 2)))
                case 3:
                    for one in writers if dice.random() < 0.5 else [each]:
                        one.commit()
                case 4:
                    dice.choice(publishers).run_once()
            assert writer.execute(below("status IN ('NEW', 'FAILED')")).fetchone() == (0,)
        for each in writers:
            each.commit()
            assert writer.execute(below("status IN ('NEW', 'FAILED')")).fetchone() == (0,)
        drain(publishers[0])
        assert writer.execute(UNSENT).fetchone() == (0,)
        assert writer.execute(below("true")).fetchone() > (50,)


def test_events_failed_by_an_unreachable_broker_have_a_cause_and_are_published_later(
    settings: PublisherSettings, broker: Kafka, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    order_id, other = order_ids(2)
    ids = insert(writer, event(order_id, 1), event(order_id, 2), event(other, 1))
    assert broker.pid is not None
    impatient = settings.model_copy(update={"publisher_ack_seconds": 0.5})
    with publishing(impatient) as publisher:
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                with pytest.raises(KafkaUnavailable, match="not acknowledged"):
                    publisher.run_once()
            assert status(writer, *ids) == ["FAILED", "FAILED", "FAILED"]
            ((cause,),) = writer.execute("SELECT DISTINCT cause FROM event_outbox").fetchall()
            assert "2 events not acknowledged" in cause
        finally:
            os.kill(broker.pid, signal.SIGCONT)
    # On a busy machine it takes longer than half a second to connect.
    with publishing(settings) as publisher:
        while writer.execute(UNSENT).fetchone() != (0,):
            try:
                publisher.run_once()
            except KafkaUnavailable:
                continue
    assert writer.execute("SELECT DISTINCT status::text, cause FROM event_outbox").fetchall() == [("SENT", None)]
    seen = sequences(log(), order_id)
    assert seen[-2:] == [1, 2]


@pytest.fixture
def small(settings: PublisherSettings) -> PublisherSettings:
    """The producer accepts no message above 5,000 bytes."""
    return with_properties(settings, message_max_bytes="5000")


def test_a_message_too_large_is_dead_with_its_cause_and_delays_its_own_order_only(
    small: PublisherSettings,
    settings: PublisherSettings,
    orders_dsn: str,
    writer: psycopg.Connection,
    log: Callable[[], list[Message]],
) -> None:
    big, other = in_shard(3, 2)
    ids = insert(writer, event(big, 1), event(big, 2, 9000), event(other, 1), event(big, 3), event(other, 2))
    with publishing(small) as publisher:
        publisher.run_once()
        drain(publisher)
        assert status(writer, *ids) == ["SENT", "DEAD", "SENT", "NEW", "SENT"]
        later = insert(writer, event(big, 4), event(other, 3))
        drain(publisher)
        assert status(writer, *later) == ["NEW", "SENT"]
        assert sequences(log(), big) == [1]
        assert sequences(log(), other) == [1, 2, 3]
        (dead,) = listed(orders_dsn)
        assert (dead.id, dead.event_type, dead.key) == (ids[1], EventType.PAYMENT_COMPLETED, big)
        assert "size" in dead.cause.lower()
        assert redriven(orders_dsn, [ids[0], ids[1]]) == [ids[1]]
        drain(publisher)
        assert status(writer, ids[1], ids[3]) == ["DEAD", "NEW"]
    redriven(orders_dsn, [ids[1]])
    with publishing(settings) as publisher:
        drain(publisher)
    assert sequences(log(), big) == [1, 2, 3, 4]


def test_after_a_dead_event_is_discarded_later_events_of_its_order_are_published(
    small: PublisherSettings, orders_dsn: str, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    (big,) = order_ids(1)
    ids = insert(writer, event(big, 1, 9000), event(big, 2))
    with publishing(small) as publisher:
        drain(publisher)
        assert discarded(orders_dsn, ids) == [ids[0]]
        assert discarded(orders_dsn, ids) == []
        drain(publisher)
    assert status(writer, *ids) == ["DISCARDED", "SENT"]
    assert sequences(log(), big) == [2]


def test_a_dead_event_below_the_floor_is_published_when_it_is_retried(
    small: PublisherSettings,
    settings: PublisherSettings,
    orders_dsn: str,
    writer: psycopg.Connection,
    log: Callable[[], list[Message]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    big, *others = in_shard(5, 8)
    (dead,) = insert(writer, event(big, 1, 9000))
    with publishing(small) as publisher:
        for order_id in others:
            insert(writer, event(order_id, 1))
            drain(publisher)
        assert floor(writer, 5) > dead
    redriven(orders_dsn, [dead])
    with publishing(settings) as publisher:
        drain(publisher)
    assert sequences(log(), big) == [1]
