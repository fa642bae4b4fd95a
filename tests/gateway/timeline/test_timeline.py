"""The life of an order from what both databases tell, and what is said to be missing."""

from collections.abc import Sequence

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.timeline_pb2 import GetOrderTimelineRequest, OrderTimeline
from ordermesh.internal.v1.timeline_source_pb2 import ListCountedEventsResponse as Counted
from ordermesh.internal.v1.timeline_source_pb2 import ListOutboxEventsResponse as Outbox
from ordermesh.orders.v1.orders_pb2 import Order

from gateway.timeline import timeline as texts
from gateway.timeline.order_timeline_service import OrderTimelineService
from gateway.timeline.timeline import timeline
from runtime.errors import InvalidRequest, NotFound

ORDER_ID = "019a0000-0000-7000-8000-000000000000"
SAMPLED = f"00-{'a' * 32}-{'b' * 16}-01"
UNSAMPLED = f"00-{'a' * 32}-{'b' * 16}-00"
Event = OrderTimeline.Event


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1e6) * 1000)


def sent(number: int, status: str = "SENT", trace: str = SAMPLED, **changes: object) -> Outbox.Event:
    fields: dict[str, object] = {
        "event_id": f"e{number}",
        "event_type": number,
        "sequence": number,
        "occur_time": at(100 + number),
        "outbox_status": status,
        "traceparent": trace,
        "outbox_id": number,
    }
    if status == "SENT":
        fields["publish_time"] = at(100.25 + number)
    return Outbox.Event(**(fields | changes))  # type: ignore[arg-type]


def counted(number: int, worker: str = "host:9103/0") -> Counted.Event:
    return Counted.Event(
        event_id=f"e{number}",
        event_type=EventType.Name(number),
        status=Order.CREATED,
        occur_time=at(100 + number),
        count_time=at(100.5 + number),
        partition=3,
        offset=40 + number,
        worker=worker,
    )


def order(events: Sequence[Outbox.Event], sequence: int, **fields: object) -> Outbox:
    return Outbox(found=True, create_time=at(101), sequence=sequence, events=events, **fields)  # type: ignore[arg-type]


def test_a_counted_event_has_its_whole_way_and_nothing_is_missing() -> None:
    made = timeline(ORDER_ID, order([sent(1)], 1, total_minor=7_000), Counted(events=[counted(1)]))
    (event,) = made.events
    assert (event.state, event.topic, event.partition, event.offset) == (Event.COUNTED, "order-events", 3, 41)
    assert (event.outbox_ms, event.count_ms, event.worker) == (250.0, 500.0, "host:9103/0")
    assert (event.trace_id, event.sampled) == ("a" * 32, True)
    assert (list(event.missing), list(made.missing), made.total_price) == ([], [], 70.0)


@pytest.mark.parametrize(
    ("status", "state", "dead_letter_id", "missing"),
    [
        ("NEW", Event.PENDING, "", texts.NOT_PUBLISHED),
        ("FAILED", Event.PENDING, "", texts.NOT_PUBLISHED),
        ("SENT", Event.PUBLISHED, "", texts.NOT_COUNTED),
        ("DEAD", Event.REJECTED, "outbox.1", texts.NEVER_PUBLISHED),
        ("DISCARDED", Event.DISCARDED, "outbox.1", texts.NEVER_PUBLISHED),
    ],
)
def test_an_event_that_is_not_counted_says_where_it_is(
    status: str, state: int, dead_letter_id: str, missing: str
) -> None:
    (event,) = timeline(ORDER_ID, order([sent(1, status)], 1), Counted()).events
    assert (event.state, event.dead_letter_id, list(event.missing)) == (state, dead_letter_id, [missing])
    assert not event.HasField("offset")


def test_a_dead_letter_has_its_place_and_cause() -> None:
    rejected = Counted.DeadLetter(
        dead_letter_id="order-events.3.9",
        event_id="e1",
        topic="order-events",
        partition=3,
        offset=9,
        cause="TOO_NEW: x",
    )
    (event,) = timeline(ORDER_ID, order([sent(1)], 1), Counted(dead_letters=[rejected])).events
    assert (event.state, event.offset, event.cause) == (Event.DEAD_LETTER, 9, "TOO_NEW: x")
    (again,) = timeline(ORDER_ID, order([sent(1)], 1), Counted(events=[counted(1)], dead_letters=[rejected])).events
    assert again.state == Event.COUNTED


def test_a_dead_letter_whose_event_cannot_be_read_is_shown_beside_the_events_that_are_missing() -> None:
    rejected = Counted.DeadLetter(dead_letter_id="order-events.3.9", topic="order-events", create_time=at(300))
    made = timeline(ORDER_ID, order([sent(1)], 2), Counted(events=[counted(1)], dead_letters=[rejected]))
    assert [event.state for event in made.events] == [Event.COUNTED, Event.DEAD_LETTER]
    assert list(made.missing) == ["1 event of 2 not found: neither outbox nor analytics has them"]


def test_what_retention_dropped_is_said() -> None:
    late = at(1_000)
    made = timeline(
        ORDER_ID, order([], 2, retained_start_time=late), Counted(events=[counted(1)], retained_start_time=late)
    )
    (event,) = made.events
    assert list(event.missing) == [texts.DROPPED_FROM_OUTBOX]
    assert not event.HasField("sampled")
    assert list(made.missing) == ["1 event of 2 not found: both databases have dropped events of its time"]
    (event,) = timeline(ORDER_ID, order([sent(1)], 1), Counted(retained_start_time=late)).events
    assert list(event.missing) == [texts.DROPPED_FROM_BOTH]


def test_a_trace_that_is_not_sampled_and_a_worker_that_is_not_known_are_said() -> None:
    made = timeline(ORDER_ID, order([sent(1, trace=UNSAMPLED)], 1), Counted(events=[counted(1, worker="")]))
    assert list(made.events[0].missing) == [texts.NOT_SAMPLED, texts.NO_WORKER]


def test_a_sampled_trace_has_a_link_where_a_store_is_configured() -> None:
    found, url = order([sent(1)], 1, trace_id="a" * 32), "https://traces.example/{trace_id}?wide=1"
    made = timeline(ORDER_ID, found, Counted(events=[counted(1)]), url)
    assert made.trace_url == made.events[0].trace_url == f"https://traces.example/{'a' * 32}?wide=1"
    quiet = timeline(ORDER_ID, order([sent(1, trace=UNSAMPLED)], 1), Counted(events=[counted(1)]), url)
    assert (quiet.trace_url, quiet.events[0].trace_url) == ("", "")
    assert timeline(ORDER_ID, found, Counted(events=[counted(1)])).events[0].trace_url == ""


def test_a_place_that_a_rebuild_did_not_know_is_said() -> None:
    found = counted(1)
    found.offset = -1
    (event,) = timeline(ORDER_ID, order([sent(1)], 1), Counted(events=[found])).events
    assert (event.state, event.HasField("offset"), list(event.missing)) == (Event.COUNTED, False, [texts.NO_PLACE])


def test_events_are_in_the_order_in_which_they_happened() -> None:
    made = timeline(ORDER_ID, order([sent(3, "NEW"), sent(1)], 3), Counted(events=[counted(2), counted(1)]))
    assert [event.event_id for event in made.events] == ["e1", "e2", "e3"]


class Sources:
    """Sources that tell more each time they are asked."""

    def __init__(self, outbox: Outbox, *counted: Counted) -> None:
        self.told = outbox
        self.answers = list(counted)
        self.looked_for: list[Sequence[str]] = []

    async def outbox(self, order_id: str, event_ids: Sequence[str]) -> Outbox:
        self.looked_for.append(event_ids)
        return self.told

    async def counted(self, order_id: str) -> Counted:
        return self.answers.pop(0)


async def test_an_event_that_is_counted_while_the_databases_are_asked_is_counted() -> None:
    sources = Sources(
        order([sent(1), sent(2)], 2), Counted(events=[counted(1)]), Counted(events=[counted(1), counted(2)])
    )
    service = OrderTimelineService(sources)  # type: ignore[arg-type]
    made = await service.GetOrderTimeline(GetOrderTimelineRequest(order_id=ORDER_ID.upper()), None)
    assert [event.state for event in made.events] == [Event.COUNTED] * 2
    assert sources.looked_for == [["e1"]]
    assert made.HasField("read_time")


async def test_an_order_that_is_none_is_refused() -> None:
    service = OrderTimelineService(Sources(Outbox(), Counted()))  # type: ignore[arg-type]
    with pytest.raises(NotFound, match=f"no order {ORDER_ID}"):
        await service.GetOrderTimeline(GetOrderTimelineRequest(order_id=ORDER_ID), None)
    with pytest.raises(InvalidRequest, match="order_id"):
        await service.GetOrderTimeline(GetOrderTimelineRequest(order_id="x"), None)
