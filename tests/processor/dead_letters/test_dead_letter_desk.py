"""The dead letters of the processor at the desk: listed, shown, redriven and discarded."""

import psycopg
from auditing import TESTER
from dead_letter_desk import ORIGIN, listed, served
from google.protobuf.timestamp_pb2 import Timestamp
from metrics_oracle import sums
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.dead_letters_pb2 import ListDeadLettersRequest
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb
from processor_servers import Analytics
from processor_world import World, created

from processor import maintenance
from processor.counting import progress
from processor.dead_letters.redrive import NEVER_READ
from processor.events import decode
from processor.query.dead_letter_source_service import NO_ID
from runtime.kafka import topics

CONTEXT: object = None
INSERT = """
    INSERT INTO dead_letter (topic, partition, "offset", dlq_topic, dlq_partition, dlq_offset, reason, detail,
        event_type, order_id, event_id, created_at)
    VALUES (%s, %s, %s, 'stock.dlq', 0, 0, %s, %s, %s, %s, NULL, now() - %s * interval '1 day')
"""


def put(analytics: Analytics, *rows: tuple[object, ...]) -> None:
    with psycopg.connect(analytics.owner) as connection:
        for row in rows:
            connection.execute(INSERT, row)


def change(*ids: str, validate_only: bool = False) -> pb.ChangeSourceRequest:
    return pb.ChangeSourceRequest(dead_letter_ids=ids, origin=ORIGIN, validate_only=validate_only)


def test_an_event_is_shown_with_its_cause_redriven_as_it_was_and_its_changes_are_told(
    world: World, analytics: Analytics, monkeypatch
) -> None:
    newer, garbage = created(1, schema_version=2), b"\xff"
    world.send([newer], {"own": "header"})
    world.send_bytes(topics.ORDER_EVENTS, b"key", garbage)
    worker = world.worker()
    world.drain(worker)
    (entry,) = listed(world, reason="UNKNOWN_TYPE")
    with served(world, analytics.reader) as (desk, _):
        content = desk.GetSource(pb.GetSourceRequest(dead_letter_id=entry.name), CONTEXT).content
        assert (content.key, content.value) == (newer.order_id.encode(), newer.SerializeToString())
        assert content.order_event == newer
        assert [(one.name, one.value) for one in content.headers] == [("own", b"header")]
        causes = {one.name: one.value for one in content.cause_headers}
        assert (causes["dlq-reason"], causes["dlq-topic"]) == (b"UNKNOWN_TYPE", topics.ORDER_EVENTS.encode())
        assert not content.changes
        trial = desk.RedriveSource(change(entry.name, validate_only=True), CONTEXT)
        assert [one.error for one in trial.results] == [""]
        assert listed(world, reason="UNKNOWN_TYPE") == [entry], "a dry run changes nothing"
        monkeypatch.setattr(decode, "SCHEMA_VERSION", 2)
        done = desk.RedriveSource(change("nonsense", entry.name, "stock.3.999"), CONTEXT)
        assert [one.error for one in done.results] == [NO_ID, "", "there is no dead letter stock.3.999"]
        world.drain(worker)
        assert world.metrics() == sums([newer])
        (latest,) = desk.GetSource(pb.GetSourceRequest(dead_letter_id=entry.name), CONTEXT).content.changes
    assert (latest.action, latest.subject) == ("RedriveDeadLetters", TESTER.subject)
    assert listed(world, reason="UNKNOWN_TYPE") == []
    assert [one.name for one in listed(world, state="REDRIVEN")] == [entry.name]


def test_a_dead_letter_is_discarded_once_and_can_be_redriven_nevertheless(world: World, analytics: Analytics) -> None:
    world.send([created(1, schema_version=2)])
    world.drain(world.worker())
    (entry,) = listed(world)
    with served(world, analytics.reader) as (desk, _):
        trial = desk.DiscardSource(change(entry.name, validate_only=True), CONTEXT)
        assert [one.error for one in trial.results] == [""]
        assert listed(world) == [entry]
        assert [one.error for one in desk.DiscardSource(change(entry.name), CONTEXT).results] == [""]
        assert [one.error for one in desk.DiscardSource(change(entry.name), CONTEXT).results] == ["is DISCARDED"]
        assert (listed(world), len(listed(world, state="DISCARDED"))) == ([], 1)
        assert [one.error for one in desk.RedriveSource(change(entry.name), CONTEXT).results] == [""]
    assert (listed(world, state="DISCARDED"), len(listed(world, state="REDRIVEN"))) == ([], 1)


def test_filters_pages_and_groups_agree(world: World, analytics: Analytics) -> None:
    order_id = "019a0000-0000-7000-8000-000000000000"
    rows = [("stock", 0, number, "INVALID", "the quantity must be positive", 17, None, 0) for number in range(6)]
    rows += [("order-events", 3, number, "TOO_OLD", "older", 1, order_id, 2) for number in range(3)]
    put(analytics, *rows)
    assert [one.place[:3] for one in listed(world, key=order_id)] == [("order-events", 3, n) for n in range(3)]
    assert len(listed(world, topic="stock", reason="INVALID", event_type=17, text="POSITIVE")) == 6
    assert listed(world, event_type=1, topic="stock") == []
    yesterday = Timestamp()
    yesterday.GetCurrentTime()
    yesterday.seconds -= 86_400
    assert (len(listed(world, end_time=yesterday)), len(listed(world, start_time=yesterday))) == (3, 6)
    with served(world, analytics.reader) as (desk, _):
        found: list[str] = []
        cursor = ""
        while True:
            request = pb.ListSourceRequest(filter=ListDeadLettersRequest(), cursor=cursor, limit=4)
            page = desk.ListSource(request, CONTEXT)
            assert page.total_size == 9
            if not page.dead_letters:
                break
            found += [one.dead_letter_id for one in page.dead_letters]
            cursor = page.cursors[-1]
        assert found == [f"order-events.3.{n}" for n in range(3)] + [f"stock.0.{n}" for n in range(6)]
        summary = desk.SummarizeSource(pb.SummarizeSourceRequest(), CONTEXT)
    assert summary.total == 9
    groups = [(one.topic, one.reason, EventType.Name(one.event_type), one.dead_letters) for one in summary.groups]
    assert groups == [("stock", "INVALID", "RESTOCKED", 6), ("order-events", "TOO_OLD", "ORDER_CREATED", 3)]


def test_what_could_never_be_read_is_told_before_it_is_redriven(world: World, analytics: Analytics) -> None:
    put(analytics, ("stock", 0, 1, "UNREADABLE_BATCH", "corrupt", None, None, 0))
    with served(world, analytics.reader) as (desk, _):
        for validate_only in (True, False):
            (result,) = desk.RedriveSource(change("stock.0.1", validate_only=validate_only), CONTEXT).results
            assert result.error == NEVER_READ


def test_of_old_dead_letters_only_those_that_explain_nothing_are_deleted(world: World, analytics: Analytics) -> None:
    order_id = "019a0000-0000-7000-8000-000000000000"
    rows = [("stock", 0, n, "UNDECODABLE", "", None, order_id if n % 2 else None, 90) for n in range(6)]
    put(analytics, *rows)
    old = "now() - interval '80 days'"
    with psycopg.connect(analytics.owner) as connection:
        connection.execute(f'UPDATE dead_letter SET redriven_at = {old} WHERE "offset" IN (2, 3)')  # type: ignore[arg-type]
        connection.execute(f'UPDATE dead_letter SET discarded_at = {old} WHERE "offset" IN (4, 5)')  # type: ignore[arg-type]
    with progress.connect(analytics.worker) as connection:
        maintenance.delete_expired(connection, 30)
    assert world.rows('SELECT "offset" FROM dead_letter ORDER BY 1') == [(0,), (1,), (5,)]
