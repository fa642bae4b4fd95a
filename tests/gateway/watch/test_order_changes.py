"""Where a stream of orders begins, and what ends one whose reader falls behind; without a broker."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import OrderEvent
from ordermesh.gateway.v1.watch_pb2 import SkippedRecord
from ordermesh.internal.v1.revision_pb2 import OrdersRevision
from signed_tokens import tokens
from watched_log import event, new_order

from gateway.watch import orders_stream
from gateway.watch.order_changes import (
    LOOK_BACK,
    REMEMBERED_ORDERS,
    OrderChanges,
    look_back_offsets,
    start_offsets,
)
from gateway.watch.order_topic import LogBounds
from gateway.watch.orders_stream import MAX_LAG_EVENTS, OrdersStream
from gateway.watch.revision import Revisions
from gateway.watch.stream_end import TooSlow
from orders.domain.ids import uuid7
from runtime.errors import FailedPrecondition

TOPIC_ID = b"0123456789abcdef"
REVISIONS = Revisions(tokens(), "WatchOrders", OrdersRevision)


class Record:
    def __init__(self, offset: int, value: bytes) -> None:
        self._offset, self._value = offset, value

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def error(self) -> None:
        return None

    def value(self) -> bytes:
        return self._value


def bounds(begins: Sequence[int], ends: Sequence[int]) -> LogBounds:
    return LogBounds(TOPIC_ID, tuple(begins), tuple(ends))


def test_a_stream_begins_now_or_after_its_revision() -> None:
    assert start_offsets(None, bounds([0, 0], [7, 9])) == (7, 9)
    assert start_offsets(OrderChanges(TOPIC_ID, [3, 9]).revision, bounds([3, 0], [7, 9])) == (3, 9)


def test_partitions_that_were_added_are_read_from_their_first_event() -> None:
    revision = OrderChanges(TOPIC_ID, [3]).revision
    assert start_offsets(revision, bounds([0, 0], [7, 4])) == (3, 0)
    assert not OrderChanges(TOPIC_ID, [3]).belongs_to(bounds([0, 0], [7, 4]))


@pytest.mark.parametrize(
    ("revision", "now", "said"),
    [
        (OrderChanges(TOPIC_ID, [3]), bounds([4], [9]), "the log starts at 4"),
        (OrderChanges(TOPIC_ID, [9]), bounds([0], [8]), "ends at offset 8"),
        (OrderChanges(b"x" * 16, [3]), bounds([0], [8]), "recreated"),
        (OrderChanges(TOPIC_ID, [3, 3]), bounds([0], [8]), "recreated"),
    ],
)
def test_a_gap_after_a_revision_is_never_silent(revision: OrderChanges, now: LogBounds, said: str) -> None:
    with pytest.raises(FailedPrecondition, match=said):
        start_offsets(revision.revision, now)


def test_records_read_before_the_start_are_remembered_and_not_sent() -> None:
    order = new_order()
    assert look_back_offsets((LOOK_BACK + 3,), bounds([1], [LOOK_BACK + 3])) == [3]
    changes = OrderChanges(TOPIC_ID, [5])
    assert changes.take(Record(4, event(order, 1).SerializeToString())) is None
    assert changes.revision == OrderChanges(TOPIC_ID, [5]).revision
    assert changes.take(Record(5, event(order, 1).SerializeToString())) is None
    told = changes.take(Record(6, event(order, 2).SerializeToString()))
    assert told is not None
    assert told.sequence == 2
    assert changes.revision == OrderChanges(TOPIC_ID, [7]).revision


def test_an_event_that_is_published_again_behind_its_successors_is_not_sent() -> None:
    order = new_order()
    changes = OrderChanges(TOPIC_ID, [0])
    told = [changes.take(Record(n, event(order, sequence).SerializeToString())) for n, sequence in enumerate([1, 2, 1])]
    assert [each and each.sequence for each in told] == [1, 2, None]
    # The stream begins after the event that is published again.
    later = OrderChanges(TOPIC_ID, [2])
    assert later.take(Record(1, event(order, 2).SerializeToString())) is None
    assert later.take(Record(2, event(order, 1).SerializeToString())) is None


DAY_SECONDS = 86_400


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"event_id": "019a0000-0000-4000-8000-000000000000"}, "not a UUIDv7"),
        ({"sequence": 0}, "sequence must be 1"),
        ({"sequence": -1}, "sequence must be 1"),
        ({"occur_time": Timestamp(seconds=253_402_300_799)}, "a day ahead"),
        ({"occur_time": Timestamp(seconds=int(time.time()) + 2 * DAY_SECONDS)}, "a day ahead"),
        ({"event_id": uuid7((int(time.time()) + 2 * DAY_SECONDS) * 1_000_000)}, "a day ahead"),
        ({"event_id": uuid7((int(time.time()) + DAY_SECONDS // 2) * 1_000_000)}, ""),
        ({"occur_time": Timestamp(seconds=int(time.time()) + DAY_SECONDS // 2)}, ""),
    ],
)
def test_events_that_the_processor_rejects_for_sequence_or_time_are_skipped(changes: dict, named: str) -> None:
    one = event(new_order(), 1)
    for field, value in changes.items():
        one.ClearField(field)
        one.MergeFrom(OrderEvent(**{field: value}))
    taken = OrderChanges(TOPIC_ID, [0]).take(Record(0, one.SerializeToString()))
    assert isinstance(taken, SkippedRecord) == bool(named)
    assert not named or named in taken.reason


def test_the_orders_that_a_stream_remembers_are_bounded() -> None:
    changes = OrderChanges(TOPIC_ID, [0])
    for offset in range(REMEMBERED_ORDERS + 10):
        changes.take(Record(offset, event(new_order()).SerializeToString()))
    assert len(changes._sequences) == REMEMBERED_ORDERS


class GrowingLog:
    """A log that grows each time that it is asked, up to its last end; its reader never gets anything."""

    def __init__(self, ends: list[int]) -> None:
        self._ends = ends
        self._read = 0

    async def bounds(self) -> LogBounds:
        return bounds([0], [self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]])

    def reader(self, offsets: Sequence[int]) -> "GrowingLog":
        return self

    async def read(self, wait_seconds: float) -> list[Record]:
        await asyncio.sleep(0)
        return []

    def close(self) -> None:
        """Have nothing to close."""


async def test_a_stream_that_caught_up_once_and_falls_far_behind_ends(monkeypatch) -> None:
    monkeypatch.setattr(orders_stream, "CHECK_SECONDS", 0)
    log = GrowingLog([10, 10 + MAX_LAG_EVENTS, 11 + MAX_LAG_EVENTS])
    stream = OrdersStream(log, REVISIONS, asyncio.Event(), "", 5)
    messages = stream.messages(None)
    assert (await anext(messages)).HasField("heartbeat")
    with pytest.raises(TooSlow, match="server overloaded") as caught:
        await anext(messages)
    assert "resume with the revision" in caught.value.message


class SlowLog(GrowingLog):
    """A log whose reader gets one record at a time."""

    async def read(self, wait_seconds: float) -> list[Record]:
        await asyncio.sleep(0)
        self._read += 1
        return [Record(self._read - 1, event(new_order()).SerializeToString())]


async def test_a_stream_that_starts_far_behind_may_catch_up(monkeypatch) -> None:
    monkeypatch.setattr(orders_stream, "CHECK_SECONDS", 0)
    far = 5 * MAX_LAG_EVENTS
    stream = OrdersStream(SlowLog([far]), REVISIONS, asyncio.Event(), "nobody", 0.01)
    messages = stream.messages(OrderChanges(TOPIC_ID, [0]).revision)
    assert (await anext(messages)).HasField("heartbeat")
    assert (await anext(messages)).HasField("heartbeat")
    await messages.aclose()
