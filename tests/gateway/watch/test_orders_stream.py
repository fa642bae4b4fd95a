"""Orders as they are watched, from a real Kafka and through real gateways."""

import asyncio
import contextlib
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import grpc
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from google.rpc import error_details_pb2, status_pb2
from ledger_servers import short_folder
from ordermesh.events.v1.events_pb2 import ORDER_CREATED, PAYMENT_COMPLETED
from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.internal.v1.revision_pb2 import OrdersRevision
from ordermesh.orders.v1.orders_pb2 import Order
from signed_tokens import tokens
from watched_log import (
    MAX_WATCHERS,
    PARTITIONS,
    Watched,
    Writer,
    event,
    new_order,
    next_change,
    opened,
    running_broker,
    watching_gateway,
)

from gateway.watch import orders_stream
from gateway.watch.order_topic import EventsDeleted, LogBounds, OrderTopic, OrderTopicReader
from gateway.watch.orders_stream import OrdersStream
from gateway.watch.revision import Revisions
from runtime.errors import ServiceError
from runtime.identity import caller
from runtime.kafka import clients, topics
from runtime.kafka.settings import GroupSettings

REVISIONS = Revisions(tokens(), "ordermesh.gateway.v1.WatchService/WatchOrders", OrdersRevision)


@pytest.fixture(scope="module")
def broker() -> Iterator[GroupSettings]:
    with running_broker() as settings:
        yield settings


@pytest.fixture(scope="module")
def writer(broker: GroupSettings) -> Writer:
    return Writer(broker)


@pytest.fixture(scope="module")
async def gateway(broker: GroupSettings) -> AsyncIterator[Watched]:
    with short_folder() as folder:
        async with watching_gateway(broker, folder) as started:
            yield started


async def test_a_change_has_all_its_fields(gateway: Watched, writer: Writer) -> None:
    stream, _ = await opened(gateway)
    order = new_order()
    writer.write(event(order, 1), event(order, 2))
    first, second = (await next_change(stream)).change, (await next_change(stream)).change
    assert (first.type, first.order_id, first.sequence, first.status) == (ORDER_CREATED, order, 1, Order.CREATED)
    assert (first.customer_id, first.total_price) == ("cust-1", 70.5)
    assert (second.type, second.sequence, second.status) == (PAYMENT_COMPLETED, 2, Order.PAID)
    stream.cancel()


async def test_only_changes_of_the_requested_customer_are_sent(gateway: Watched, writer: Writer) -> None:
    stream, _ = await opened(gateway, customer_id="cust-2")
    wanted = new_order()
    writer.write(event(new_order()), event(wanted, customer_id="cust-2"))
    assert (await next_change(stream)).change.order_id == wanted
    stream.cancel()


async def test_heartbeats_are_sent_while_nothing_changes_and_their_revision_resumes(
    gateway: Watched, writer: Writer
) -> None:
    stream, begin = await opened(gateway, customer_id="nobody", heartbeat_ms=500)
    writer.write(event(new_order()))
    while (message := await stream.read()).revision == begin:
        assert message.HasField("heartbeat")
    assert message.HasField("heartbeat")
    stream.cancel()


async def test_duplicates_in_the_log_are_sent_once_also_after_resuming(gateway: Watched, writer: Writer) -> None:
    stream, _ = await opened(gateway)
    order, last = new_order(), new_order()
    first, second = event(order, 1), event(order, 2)
    writer.write(first, second, first, second, event(order, 3), event(last))
    seen = [await next_change(stream) for _ in range(4)]
    told = [(one.change.order_id, one.change.sequence) for one in seen]
    assert sorted(told) == sorted([(order, 1), (order, 2), (order, 3), (last, 1)])
    stream.cancel()
    after_second = next(one for one in seen if (one.change.order_id, one.change.sequence) == (order, 2))
    resumed, _ = await opened(gateway, after_revision=after_second.revision)
    writer.write(second, event(order, 4))
    sequences = []
    while sequences[-1:] != [4]:
        change = (await next_change(resumed)).change
        sequences += [change.sequence] if change.order_id == order else []
    assert sequences == [3, 4]
    resumed.cancel()


async def test_records_that_cannot_be_sent_are_reported_by_place_and_skipped(gateway: Watched, writer: Writer) -> None:
    beyond, unknown = event(new_order()), event(new_order())
    beyond.occur_time.seconds = 10**15
    unknown.ClearField("order_created")
    records = [
        (b"\xff\xfe not protobuf", "not an OrderEvent"),
        (b"", "not a UUID"),
        (beyond.SerializeToString(), "occur_time"),
        (unknown.SerializeToString(), "type"),
    ]
    stream, _ = await opened(gateway)
    seen = []
    for value, _ in records:
        writer.write_bytes(value)
        seen.append(await next_change(stream))
    offsets = [one.skipped.offset for one in seen]
    assert offsets == list(range(offsets[0], offsets[0] + len(records)))
    assert len({one.skipped.partition for one in seen}) == 1
    for one, (_, reason) in zip(seen, records, strict=True):
        assert reason in one.skipped.reason
    order = new_order()
    writer.write(event(order))
    assert (await next_change(stream)).change.order_id == order
    stream.cancel()
    resumed, _ = await opened(gateway, after_revision=seen[-1].revision)
    assert (await next_change(resumed)).change.order_id == order
    resumed.cancel()


async def test_a_batch_that_no_client_can_read_is_reported_record_by_record_and_skipped(
    gateway: Watched, writer: Writer, broker: GroupSettings
) -> None:
    # Decompressed it is more than librdkafka takes.
    large = {"message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_097_151, "batch.size": 500_000_000}
    bomber = Producer({**clients.base_config(broker, "test"), **large, "compression.type": "zstd", "linger.ms": 5_000})
    stream, _ = await opened(gateway)
    for value in (b"before", bytes(120 << 20), b"behind"):
        bomber.produce(topics.ORDER_EVENTS, key="bad", value=value)
    assert await asyncio.to_thread(bomber.flush, 30) == 0
    order = new_order()
    writer.write(event(order))
    seen = [await next_change(stream) for _ in range(4)]
    (changed,) = [one for one in seen if one.HasField("change")]
    skipped = [one.skipped for one in seen if one.HasField("skipped")]
    assert changed.change.order_id == order
    assert [one.offset for one in skipped] == list(range(skipped[0].offset, skipped[0].offset + 3))
    assert all("compress" in one.reason for one in skipped)
    stream.cancel()


async def test_the_revision_advances_past_offsets_without_an_event(
    gateway: Watched, broker: GroupSettings, writer: Writer
) -> None:
    producer = Producer({**clients.base_config(broker, "test"), "transactional.id": "test"})
    producer.init_transactions(20)
    stream, begin = await opened(gateway, heartbeat_ms=500)
    producer.begin_transaction()
    producer.produce(topics.ORDER_EVENTS, value=event(new_order()).SerializeToString(), partition=0)
    producer.flush(20)
    writer.write_bytes(event(new_order()).SerializeToString())
    producer.abort_transaction(20)
    revision = begin
    while position(revision) != position(begin) + 3:
        message = await asyncio.wait_for(stream.read(), 30)
        revision = message.revision
    stream.cancel()


def position(revision: str) -> int:
    """Return how many offsets a revision has passed."""
    return sum(REVISIONS.decode(revision, "after_revision").next_offsets)


async def test_another_gateway_resumes_a_stream_without_a_gap_or_a_duplicate(
    broker: GroupSettings, writer: Writer
) -> None:
    orders = [new_order() for _ in range(40)]
    seen: dict[str, list[int]] = defaultdict(list)

    async def write() -> None:
        for sequence in range(1, 16):
            await asyncio.to_thread(writer.write, *(event(order, sequence) for order in orders))

    with short_folder() as folder:
        async with watching_gateway(broker, folder, "a") as first, watching_gateway(broker, folder, "b") as second:
            stream, revision = await opened(first)
            writing = asyncio.create_task(write())
            while not (message := await stream.read()).HasField("ended"):
                revision = message.revision
                if message.HasField("change"):
                    seen[message.change.order_id].append(message.change.sequence)
                if sum(map(len, seen.values())) == 60:
                    first.process.send_signal(signal.SIGTERM)
            assert message.ended.code == grpc.StatusCode.UNAVAILABLE.value[0]
            stream, _ = await opened(second, after_revision=revision)
            while sum(map(len, seen.values())) < 15 * len(orders):
                change = (await next_change(stream)).change
                seen[change.order_id].append(change.sequence)
            await writing
            stream.cancel()
    assert dict(seen) == {order: list(range(1, 16)) for order in orders}


async def test_a_drain_ends_a_stream_with_a_last_message_that_says_so(broker: GroupSettings) -> None:
    with short_folder() as folder:
        async with watching_gateway(broker, folder) as gateway:
            stream, revision = await opened(gateway)
            gateway.process.send_signal(signal.SIGTERM)
            last = await next_change(stream)
            assert last.revision == revision
            assert last.ended.code == grpc.StatusCode.UNAVAILABLE.value[0]
            assert "resume with the revision" in last.ended.message
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert await asyncio.to_thread(gateway.process.wait, 15) == 0
            assert "Traceback" not in gateway.log.read_text()


@pytest.mark.parametrize("text", ["nonsense", "é", "AAAA", "x" * 20_000])
async def test_a_text_that_is_no_revision_is_refused_by_name(gateway: Watched, text: str) -> None:
    error = await refusal(gateway, after_revision=text)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "after_revision" in error.details()


async def test_a_heartbeat_out_of_range_is_refused_by_name(gateway: Watched) -> None:
    error = await refusal(gateway, heartbeat_ms=499)
    assert (error.code(), "heartbeat_ms" in error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_a_stream_above_the_limit_is_refused_until_another_one_ends(gateway: Watched) -> None:
    streams = [(await opened(gateway))[0] for _ in range(MAX_WATCHERS)]
    error = await refusal(gateway)
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    for stream in streams:
        stream.cancel()
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            again, _ = await opened(gateway)
            again.cancel()
            return


async def test_events_deleted_since_a_revision_are_reported_as_gone(
    gateway: Watched, broker: GroupSettings, writer: Writer
) -> None:
    stream, begin = await opened(gateway)
    stream.cancel()
    writer.write(*(event(new_order()) for _ in range(50)))
    client = clients.admin(broker, "test")
    everything = [TopicPartition(topics.ORDER_EVENTS, number, -1) for number in range(PARTITIONS)]
    deleting = client.delete_records(everything)
    for deleted in deleting.values():
        deleted.result(10)
    error = await refusal_in_time(gateway, begin)
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "REVISION_GONE")
    assert "watch again without it" in error.details()
    reader = OrderTopicReader(broker, [0] * PARTITIONS)
    with pytest.raises(EventsDeleted):
        await forever(lambda: reader.read(0.25))
    reader.close()


class BusyTopic(OrderTopic):
    """The topic of a Kafka that does not answer the checks of these numbers in time; the first call opens a stream."""

    def __init__(self, settings: GroupSettings, unanswered: set[int]) -> None:
        super().__init__(settings)
        self._calls = 0
        self._no_answer_to = unanswered

    async def bounds(self) -> LogBounds:
        self._calls += 1
        if self._calls - 1 in self._no_answer_to:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return await super().bounds()


async def heartbeats(broker: GroupSettings, unanswered: set[int], most: int) -> int:
    """Return how many heartbeats a stream of a busy topic sends, at most so many."""
    log = BusyTopic(broker, unanswered)
    try:
        return await heartbeats_of(log, most)
    finally:
        log.close()


async def heartbeats_of(log: OrderTopic, most: int) -> int:
    """Return how many heartbeats a stream sends, at most so many, that checks its topic with each."""
    stream = OrdersStream(log, REVISIONS, asyncio.Event(), "nobody", 0.0)
    sent = 0
    async with contextlib.aclosing(stream.messages(None)) as messages:
        async for message in messages:
            sent += message.HasField("heartbeat")
            if sent == most:
                break
    return sent


async def test_a_check_that_kafka_does_not_answer_in_time_ends_no_stream(
    broker: GroupSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_stream, "CHECK_SECONDS", 0.0)
    assert await heartbeats(broker, {1, 3, 5}, 20) == 20


class LostReader(OrderTopicReader):
    """A reader that has lost Kafka: it reads nothing, without an error."""

    async def read(self, wait_seconds: float) -> list[Message]:
        await asyncio.sleep(0)
        return []


class LostTopic(OrderTopic):
    """A topic whose bounds are known, and whose readers have lost Kafka."""

    def reader(self, next_offsets: Sequence[int]) -> OrderTopicReader:
        return LostReader(self._settings, next_offsets)


async def test_a_stream_whose_reader_lost_kafka_ends_once_there_is_something_to_read(
    broker: GroupSettings, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_stream, "CHECK_SECONDS", 0.0)
    log = LostTopic(broker)
    assert await heartbeats_of(log, 20) == 20
    stream = OrdersStream(log, REVISIONS, asyncio.Event(), "nobody", 0.0)
    messages = stream.messages(None)
    await anext(messages)
    writer.write(event(new_order()))
    with pytest.raises(ServiceError) as caught:
        await forever(lambda: anext(messages))
    assert (caught.value.code, "kafka" in caught.value.message) == (grpc.StatusCode.UNAVAILABLE, True)
    log.close()


async def test_two_checks_in_a_row_without_an_answer_end_a_stream(
    broker: GroupSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_stream, "CHECK_SECONDS", 0.0)
    with pytest.raises(ServiceError) as caught:
        await heartbeats(broker, {2, 3}, 20)
    assert (caught.value.code, "kafka" in caught.value.message) == (grpc.StatusCode.UNAVAILABLE, True)


async def test_a_recreated_topic_is_another_log(gateway: Watched, broker: GroupSettings) -> None:
    stream, begin = await opened(gateway)
    client = clients.admin(broker, "test")
    client.delete_topics([topics.ORDER_EVENTS])[topics.ORDER_EVENTS].result(10)
    last = await next_change(stream)
    assert last.ended.code == grpc.StatusCode.UNAVAILABLE.value[0]
    topic = NewTopic(topics.ORDER_EVENTS, num_partitions=PARTITIONS, replication_factor=1)
    client.create_topics([topic])[topics.ORDER_EVENTS].result(10)
    error = await refusal_in_time(gateway, begin)
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "REVISION_GONE")
    assert "recreated" in error.details()


async def refusal(gateway: Watched, **request: object) -> grpc.aio.AioRpcError:
    stream = gateway.watch.WatchOrders(pb.WatchOrdersRequest(**request))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    return caught.value


async def refusal_in_time(gateway: Watched, after_revision: str) -> grpc.aio.AioRpcError:
    """Return the refusal once the broker has done what was asked of it."""
    while True:
        stream = gateway.watch.WatchOrders(pb.WatchOrdersRequest(after_revision=after_revision))
        try:
            await stream.read()
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                return error
        stream.cancel()


async def forever(ask: Callable[[], Awaitable[object]]) -> None:
    while True:
        await ask()


def reason(error: grpc.aio.AioRpcError) -> str:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info.reason


async def test_a_customer_watches_its_own_orders_also_after_the_revision_of_another(
    broker: GroupSettings, writer: Writer
) -> None:
    alice, mallory = (((caller.HEADER, f"customer:{name}"),) for name in ("alice", "mallory"))
    theirs, mine, later = new_order(), new_order(), new_order()
    with short_folder() as folder:
        async with watching_gateway(broker, folder, authentication="keys") as gateway:
            begun = gateway.watch.WatchOrders(pb.WatchOrdersRequest(), metadata=alice)
            revision = (await asyncio.wait_for(begun.read(), 30)).revision
            writer.write(event(theirs, customer_id="alice"), event(mine, customer_id="mallory"))
            assert (await next_change(begun)).change.order_id == theirs
            begun.cancel()
            resumed = gateway.watch.WatchOrders(pb.WatchOrdersRequest(after_revision=revision), metadata=mallory)
            assert (await next_change(resumed)).change.order_id == mine
            writer.write(event(new_order(), customer_id="alice"), event(later, customer_id="mallory"))
            assert (await next_change(resumed)).change.order_id == later
            resumed.cancel()
            for request, who, code in (
                (pb.WatchOrdersRequest(customer_id="alice"), mallory, grpc.StatusCode.PERMISSION_DENIED),
                (pb.WatchOrdersRequest(), (), grpc.StatusCode.UNAUTHENTICATED),
                (pb.WatchOrdersRequest(), ((caller.HEADER, "analyst:a"),), grpc.StatusCode.PERMISSION_DENIED),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await gateway.watch.WatchOrders(request, metadata=who).read()
                assert caught.value.code() == code
