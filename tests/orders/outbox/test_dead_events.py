"""The dead events of the outbox at the desk: listed, shown, redriven and discarded."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from auditing import TESTER
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.dead_letters_pb2 import DeadLetter, ListDeadLettersRequest
from ordermesh.internal.v1 import dead_letter_source_pb2 as pb
from outbox_world import TRACE, drain, event, floor, in_shard, insert, order_ids, publishing, status

from orders.domain import events
from orders.domain.ids import uuid7
from orders.outbox.dead_letter_source_service import NOT_DEAD, DeadLetterSourceService
from orders.settings import PublisherSettings
from runtime.dead_letter_messages import origin_message
from runtime.postgres.connections import async_pool

DEAD = "UPDATE event_outbox SET status = 'DEAD', cause = %s WHERE id = ANY(%s)"
TOO_LARGE = "Broker: Message size too large (900,000 bytes)"
CONTEXT: object = None


@pytest.fixture
async def desk(orders_dsn: str) -> AsyncIterator[DeadLetterSourceService]:
    """Serve with the role of the orders service."""
    async with async_pool(orders_dsn, "tests", 2) as pool:
        yield DeadLetterSourceService(pool)


def dead(owner: psycopg.Connection, *made: events.OutboxEvent, cause: str = TOO_LARGE) -> list[int]:
    ids = insert(owner, *made)
    owner.execute(DEAD, (cause, ids))
    owner.execute("UPDATE outbox_shard SET has_dead = true")
    return ids


def named(*numbers: int) -> list[str]:
    return [f"outbox.{number}" for number in numbers]


def change(*numbers: int, validate_only: bool = False) -> pb.ChangeSourceRequest:
    return pb.ChangeSourceRequest(
        dead_letter_ids=named(*numbers), origin=origin_message(TESTER), validate_only=validate_only
    )


async def listed(desk: DeadLetterSourceService, **filters: object) -> list[str]:
    request = pb.ListSourceRequest(filter=ListDeadLettersRequest(**filters), limit=100)  # type: ignore[arg-type]
    return [one.dead_letter_id for one in (await desk.ListSource(request, CONTEXT)).dead_letters]


def problems(response: pb.ChangeSourceResponse) -> list[str]:
    return [result.error for result in response.results]


@pytest.mark.parametrize("method", ["RedriveSource", "DiscardSource"])
async def test_what_is_not_dead_is_told_and_not_changed(
    desk: DeadLetterSourceService, writer: psycopg.Connection, owner: psycopg.Connection, method: str
) -> None:
    (waiting,) = insert(writer, event(*order_ids(1), 1))
    (one,) = dead(owner, event(*order_ids(1), 1))
    request = change(999_999, one, waiting)
    request.dead_letter_ids.append("outbox.x")
    call = getattr(desk, method)
    trial = change(999_999, one, waiting, validate_only=True)
    assert problems(await call(trial, CONTEXT)) == [NOT_DEAD, "", NOT_DEAD]
    assert status(writer, waiting, one) == ["NEW", "DEAD"]
    assert problems(await call(request, CONTEXT)) == [NOT_DEAD, "", NOT_DEAD, NOT_DEAD]
    assert status(writer, waiting, one) == ["NEW", "NEW" if method == "RedriveSource" else "DISCARDED"]
    assert problems(await call(change(one), CONTEXT)) == [NOT_DEAD]


async def test_filters_select_dead_events(desk: DeadLetterSourceService, owner: psycopg.Connection) -> None:
    first, second, third = order_ids(3)
    created, paid = dead(owner, event(first, 1), event(second, 2))
    (refused,) = dead(owner, event(third, 1), cause="Broker: Policy violation")
    (stock,) = dead(owner, events.restocked(uuid7(1), "p7", 3, 1, ""))
    assert await listed(desk) == named(created, paid, refused, stock)
    assert await listed(desk, topic="stock") == named(stock)
    assert await listed(desk, topic="order-events", event_type="PAYMENT_COMPLETED") == named(paid)
    assert await listed(desk, reason="Broker: Message size too large") == named(created, paid, stock)
    assert await listed(desk, text="POLICY") == named(refused)
    assert await listed(desk, key=first) == named(created)
    assert await listed(desk, key="p7") == named(stock)
    hour = Timestamp()
    hour.GetCurrentTime()
    hour.seconds -= 3600
    assert await listed(desk, end_time=hour) == []
    assert len(await listed(desk, start_time=hour)) == 4


async def test_pages_and_groups_add_up(desk: DeadLetterSourceService, owner: psycopg.Connection) -> None:
    ids = dead(owner, *(event(order_id, 1) for order_id in order_ids(5)))
    ids += dead(owner, event(*order_ids(1), 2), cause="Broker: Policy violation")
    found: list[str] = []
    cursor = ""
    while True:
        page = await desk.ListSource(pb.ListSourceRequest(cursor=cursor, limit=4), CONTEXT)
        assert page.total_size == 6
        if not page.dead_letters:
            break
        found += [one.dead_letter_id for one in page.dead_letters]
        cursor = page.cursors[-1]
    assert found == named(*ids)
    summary = await desk.SummarizeSource(pb.SummarizeSourceRequest(), CONTEXT)
    assert summary.total == 6
    groups = [(one.topic, one.reason, EventType.Name(one.event_type), one.dead_letters) for one in summary.groups]
    assert groups == [
        ("order-events", "Broker: Message size too large", "ORDER_CREATED", 5),
        ("order-events", "Broker: Policy violation", "PAYMENT_COMPLETED", 1),
    ]


async def test_a_dead_event_is_shown_as_it_would_be_published(
    desk: DeadLetterSourceService, owner: psycopg.Connection
) -> None:
    made = event(*order_ids(1), 1)
    (one,) = dead(owner, made)
    content = (await desk.GetSource(pb.GetSourceRequest(dead_letter_id=f"outbox.{one}"), CONTEXT)).content
    assert (content.key.decode(), content.value) == (made.key, made.payload)
    assert content.order_event.order_id == made.key
    headers = {header.name: header.value for header in content.headers}
    assert headers["traceparent"] == TRACE.encode()
    assert headers["event-type"] == b"ORDER_CREATED"
    absent = await desk.GetSource(pb.GetSourceRequest(dead_letter_id="outbox.999999"), CONTEXT)
    assert not absent.HasField("content")


async def test_a_discarded_event_is_kept_with_who_discarded_it(
    desk: DeadLetterSourceService, owner: psycopg.Connection
) -> None:
    (one,) = dead(owner, event(*order_ids(1), 1))
    await desk.DiscardSource(change(one), CONTEXT)
    assert await listed(desk) == []
    assert await listed(desk, state="DISCARDED") == named(one)
    asked = pb.GetSourceRequest(dead_letter_id=f"outbox.{one}")
    content = (await desk.GetSource(asked, CONTEXT)).content
    assert content.dead_letter.state == DeadLetter.DISCARDED
    assert content.dead_letter.HasField("discard_time")
    assert content.dead_letter.detail == TOO_LARGE
    latest = content.changes[0]
    assert (latest.action, latest.subject) == ("DiscardDeadLetters", TESTER.subject)
    owner.execute("DELETE FROM event_outbox WHERE id = %s", (one,))
    dropped = (await desk.GetSource(asked, CONTEXT)).content
    assert "dropped" in dropped.missing
    assert dropped.dead_letter == content.dead_letter


async def test_a_dead_stock_event_delays_no_other_event_of_its_product(
    desk: DeadLetterSourceService, settings: PublisherSettings, writer: psycopg.Connection, owner: psycopg.Connection
) -> None:
    first, second = dead(owner, *(events.restocked(uuid7(n), "p7", 3, 1, "") for n in (1, 2)))
    (later,) = insert(writer, events.restocked(uuid7(3), "p7", 3, 1, ""))
    with publishing(settings) as publisher:
        await desk.RedriveSource(change(second), CONTEXT)
        drain(publisher)
    assert status(writer, first, second, later) == ["DEAD", "SENT", "SENT"]


async def test_events_below_the_floor_are_published_when_all_are_redriven(
    desk: DeadLetterSourceService,
    settings: PublisherSettings,
    writer: psycopg.Connection,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    big, *others = in_shard(5, 8)
    (one,) = dead(owner, event(big, 1))
    with publishing(settings) as publisher:
        for order_id in others:
            insert(writer, event(order_id, 1))
            drain(publisher)
        assert floor(writer, 5) > one
        (waits,) = insert(writer, event(big, 2))
        drain(publisher)
        assert status(writer, waits) == ["NEW"]
        await desk.RedriveSource(change(one), CONTEXT)
        drain(publisher)
    assert status(writer, one, waits) == ["SENT", "SENT"]


async def test_a_discarded_event_is_published_after_all_when_it_is_redriven(
    desk: DeadLetterSourceService, settings: PublisherSettings, owner: psycopg.Connection
) -> None:
    """Behind the later event of its order, which went out when it was discarded."""
    first, second = event(*(order := order_ids(1)), 1), event(*order, 2)
    (one,) = dead(owner, first)
    (two,) = insert(owner, second)
    await desk.DiscardSource(change(one), CONTEXT)
    with publishing(settings) as publisher:
        drain(publisher)
        assert status(owner, one, two) == ["DISCARDED", "SENT"]
        assert problems(await desk.RedriveSource(change(one, validate_only=True), CONTEXT)) == [""]
        assert problems(await desk.DiscardSource(change(one, validate_only=True), CONTEXT)) == [NOT_DEAD]
        assert status(owner, one) == ["DISCARDED"]
        assert problems(await desk.RedriveSource(change(one), CONTEXT)) == [""]
        drain(publisher)
    assert status(owner, one, two) == ["SENT", "SENT"]
    assert owner.execute("SELECT count(*) FROM discarded_event").fetchone() == (0,)
    entry = "SELECT before ->> 'status', after ->> 'status' FROM audit_log ORDER BY id DESC LIMIT 1"
    assert owner.execute(entry).fetchone() == ("DISCARDED", "NEW")
    assert problems(await desk.RedriveSource(change(one), CONTEXT)) == [NOT_DEAD]


async def test_a_discarded_event_that_the_outbox_has_dropped_stays_discarded(
    desk: DeadLetterSourceService, owner: psycopg.Connection
) -> None:
    (one,) = dead(owner, event(*order_ids(1), 1))
    await desk.DiscardSource(change(one), CONTEXT)
    owner.execute("DELETE FROM event_outbox WHERE id = %s", (one,))
    assert problems(await desk.RedriveSource(change(one, validate_only=True), CONTEXT)) == [NOT_DEAD]
    assert problems(await desk.RedriveSource(change(one), CONTEXT)) == [NOT_DEAD]
    assert await listed(desk, state="DISCARDED") == named(one)
