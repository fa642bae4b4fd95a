"""Any record that a client of the protocol may write: a worker counts it or sets it aside, and goes on."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from dead_letter_desk import redriven, served, shown
from kafka_broker import config
from metrics_oracle import sums
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.internal.v1.dead_letter_source_pb2 import GetSourceRequest
from processor_servers import Analytics
from processor_world import TRACEPARENT, World, created, drive, history, topic_and_key
from raw_producer import Record, produce
from structlog.testing import capture_logs
from waiting import PATIENCE_SECONDS

from cli.pipeline.dead_letter_text import content_lines
from cli.topics.event_lines import EventLines
from cli.topics.topic_reader import Start, TopicReader
from processor.dead_letters.headers import PREFIX
from runtime.kafka import clients, topics
from runtime.kafka.records import raw_headers
from stack.servers.kafka.broker import Kafka

BYTES = bytes(range(256))
MILLION = 1_000_000
INT64_MAX = 2**63 - 1
PARTITION = 5
Headers = Sequence[tuple[bytes, bytes | None]]
UNSAMPLED = TRACEPARENT.encode()[:-1] + b"0"


@dataclass(frozen=True)
class Case:
    """How a record differs from a good one, and the reason for which it is rejected; None: it is counted."""

    changes: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True)
class Sent:
    """A case as it was written, and where."""

    case: Case
    record: Record
    offset: int


def plain(event: OrderEvent) -> Record:
    """Return an event as a record without headers."""
    return Record(event.order_id.encode(), event.SerializeToString())


def write(world: World, records: Sequence[Record]) -> int:
    """Write a batch and return the first offset."""
    return produce(world.settings, topics.ORDER_EVENTS, PARTITION, records)


def headers(*pairs: tuple[bytes, bytes | None], reason: str | None = None) -> Case:
    """Return the case of a good event with headers."""
    return Case({"headers": pairs}, reason)


CASES = {
    "a header name that is not UTF-8": headers((b"\xff", b"1"), reason="UNREADABLE_HEADERS"),
    "header names of which some are not UTF-8": headers(
        (b"a", None), (b"\xff", b""), (b"b", BYTES), (b"\xfe\xfe", None), reason="UNREADABLE_HEADERS"
    ),
    "an empty header name": headers((b"", b"1")),
    "a header name of 64 KiB": headers((b"n" * 65_536, b"1")),
    "header values that are null": headers((b"traceparent", None), (b"other", None)),
    "a header value that is empty": headers((b"traceparent", b"")),
    "a header value of 64 KiB": headers((b"traceparent", b"1" * 65_536)),
    "header values that are not UTF-8": headers((b"traceparent", BYTES), (b"content-type", BYTES)),
    "10,000 headers": headers(*[(b"traceparent", UNSAMPLED)] * 10_000),
    "10,000 headers and a bad one": headers(*[(b"n", b"v")] * 10_000, (b"\xff", b""), reason="UNREADABLE_HEADERS"),
    "a key that is null": Case({"key": None}, "WRONG_KEY"),
    "a key that is empty": Case({"key": b""}, "WRONG_KEY"),
    "a key that is not UTF-8": Case({"key": BYTES}, "WRONG_KEY"),
    "a huge key": Case({"key": b"\xff" * MILLION}, "WRONG_KEY"),
    "a value that is null": Case({"value": None}, "EMPTY"),
    "a value that is empty": Case({"value": b""}, "EMPTY"),
    "a huge value": Case({"value": b"\xff" * MILLION}, "UNDECODABLE"),
    "nothing at all": Case({"key": None, "value": None}, "EMPTY"),
    "headers named as those of a dead letter": Case(
        {"value": b"x", "headers": ((b"dlq-reason", b"mine"), (b"dlq-headers", b"{"))}, "UNDECODABLE"
    ),
    "bad bytes everywhere": Case(
        {"key": BYTES, "value": BYTES, "headers": ((BYTES[1:], BYTES),)}, "UNREADABLE_HEADERS"
    ),
    **{f"the time {time}": Case({"timestamp_ms": time}) for time in (-1, -2, 0, 253_402_300_800_000, INT64_MAX)},
}


@pytest.fixture(scope="module")
def any_time(broker: Kafka) -> None:
    """Let the topic take times of the future, as brokers before version 3.6 did."""
    wanted = ConfigEntry("message.timestamp.after.max.ms", str(INT64_MAX), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics.ORDER_EVENTS, incremental_configs=[wanted])
    client = clients.admin(broker.client_settings(), "tests")
    answers = client.incremental_alter_configs([resource])
    answers[resource].result()


def send_all(world: World) -> tuple[dict[str, Sent], list[OrderEvent]]:
    """Write each case between two good events, all to one partition; return what was sent and what is to be counted."""
    sent, counted = dict[str, Sent](), list[OrderEvent]()
    for name, case in CASES.items():
        before, own, after = created(), created(), created()
        counted += [before, after] if case.reason else [before, own, after]
        changed = replace(plain(own), **case.changes)
        write(world, [plain(before)])
        sent[name] = Sent(case, changed, write(world, [changed, plain(after)]))
    return sent, counted


def test_any_record_is_counted_or_rejected_and_its_neighbours_are_counted(
    world: World, any_time: None, subtests: pytest.Subtests
) -> None:
    sent, counted = send_all(world)
    world.drain(world.worker())
    assert world.metrics() == sums(counted)
    reasons = dict(world.rows('SELECT "offset", reason FROM dead_letter'))
    lines = {line["offset"]: line for line in tail(world, topics.ORDER_EVENTS)}
    # Other tests leave dead letters of other partitions.
    records = [line["headers"] for line in tail(world, f"{topics.ORDER_EVENTS}.dlq")]
    dead_letters = {own[f"{PREFIX}offset"]: own for own in records if own[f"{PREFIX}partition"] == str(PARTITION)}
    for name, one in sent.items():
        with subtests.test(name):
            assert reasons.get(one.offset) == one.case.reason
            assert base64.b64decode(lines[one.offset]["bytes"]) == (one.record.value or b"")
            if one.case.reason:
                assert dead_letters[str(one.offset)][f"{PREFIX}reason"] in (one.case.reason, ["mine", one.case.reason])
                assert kept(world, one.offset) == (one.record.key, one.record.value, by_text(one.record.headers))


@pytest.mark.parametrize("name", ["a header name that is not UTF-8", "a huge key", "10,000 headers and a bad one"])
def test_a_dead_letter_of_any_size_is_shown_on_a_few_pages(world: World, analytics: Analytics, name: str) -> None:
    offset = write(world, [replace(plain(created()), **CASES[name].changes)])
    world.drain(world.worker())
    wanted = GetSourceRequest(dead_letter_id=f"{topics.ORDER_EVENTS}.{PARTITION}.{offset}")
    with served(world, analytics.reader) as (desk, _):
        text = "\n".join(content_lines(desk.GetSource(wanted, None).content))  # type: ignore[arg-type]
    assert CASES[name].reason in text
    assert len(text) < 32_768


def test_a_dead_letter_with_unreadable_headers_is_counted_once_it_is_redriven(world: World) -> None:
    event = created()
    offset = write(world, [replace(plain(event), headers=((b"\xff", b"1"), (b"kept", b"2")))])
    worker = world.worker()
    world.drain(worker)
    assert world.dead_letters() == [("UNREADABLE_HEADERS", None)]
    assert redriven(world, (topics.ORDER_EVENTS, PARTITION, offset)) == [""]
    world.drain(worker)
    assert world.metrics() == sums([event])
    assert {"kept": "2"} in [line["headers"] for line in tail(world, topics.ORDER_EVENTS)]


def test_the_last_traceparent_of_a_record_counts(world: World) -> None:
    first, second = created(), created()
    sampled, unsampled = (b"traceparent", TRACEPARENT.encode()), (b"traceparent", UNSAMPLED)
    write(world, [replace(plain(first), headers=(sampled, unsampled))])
    write(world, [replace(plain(second), headers=(unsampled, sampled))])
    with capture_logs() as logs:
        world.drain(world.worker())
    assert [line["order_id"] for line in logs if line["event"] == "event counted"] == [second.order_id]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_events_of_compressed_batches_and_of_committed_transactions_are_counted(world: World, codec: str) -> None:
    own = {**config(world.settings), "transactional.id": f"tests-{codec}"}
    producer = Producer({**own, "compression.type": codec, "linger.ms": 50})
    producer.init_transactions(PATIENCE_SECONDS)
    kept, dropped = history(40), history(10)
    for events, end in ((kept, producer.commit_transaction), (dropped, producer.abort_transaction)):
        producer.begin_transaction()
        for event in events:
            topic, key = topic_and_key(event)
            producer.produce(topic, event.SerializeToString(), key)
        producer.flush(PATIENCE_SECONDS)
        end(PATIENCE_SECONDS)
    worker, last = world.worker(), created(99)
    world.send([last])
    drive(lambda: world.metrics() == sums([*kept, last]), worker, what="the events are counted")
    assert world.dead_letters() == []


def kept(world: World, offset: int) -> tuple[bytes | None, bytes | None, Headers]:
    """Return what the dead letter of a record contains."""
    content = shown(world, (topics.ORDER_EVENTS, PARTITION, offset))
    own = [*((name.encode(), value) for name, value in content.headers), *content.byte_headers]
    return content.key, content.value, by_text(own)


def by_text(pairs: Headers) -> Headers:
    """Return headers in an order that does not depend on which of them the client can read."""
    return sorted(pairs, key=repr)


def tail(world: World, topic: str) -> Sequence[dict[str, Any]]:
    """Return what `topics tail` shows of a topic."""
    reader = TopicReader(world.settings, [topic], Start())
    lines = EventLines()
    found = [json.loads(lines.line(message)) for message in reader.existing()]
    reader.close()
    return found


def test_a_dead_letter_waits_for_slow_raw_headers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = write(world, [replace(plain(created()), headers=((b"\xff", b"1"),))])
    answers, read = [{}, {}], raw_headers.read
    monkeypatch.setattr(raw_headers, "read", lambda *asked: answers.pop() if answers else read(*asked))
    world.drain(world.worker())
    assert kept(world, offset)[2] == [(b"\xff", b"1")]
