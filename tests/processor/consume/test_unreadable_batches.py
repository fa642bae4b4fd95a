"""Batches that the client cannot read: their records are rejected, and the partition continues."""

from collections.abc import Sequence

import pytest
from confluent_kafka import Producer
from dead_letter_desk import redriven, shown
from kafka_broker import config
from metrics_oracle import sums
from processor_world import World, created

from cli.topics.event_lines import EventLines
from cli.topics.topic_reader import Start, TopicReader
from processor.dead_letters import redrive
from runtime.kafka import topics

PARTITION = 5
# More than librdkafka decompresses; the broker's limit is for the few KiB that it stores.
BOMB = bytes(120 << 20)
LARGE = {"message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_097_151, "batch.size": 500_000_000}


def write(world: World, codec: str, values: Sequence[tuple[bytes, bytes]]) -> list[int]:
    """Write records as one batch and return their offsets."""
    offsets: list[int] = []
    own = {**config(world.settings), "compression.type": codec, "linger.ms": 5_000}
    producer = Producer({**own, **LARGE})
    for key, value in values:
        producer.produce(
            topics.ORDER_EVENTS,
            value,
            key,
            PARTITION,
            on_delivery=lambda error, message: offsets.append(-1 if error else message.offset()),
        )
    assert producer.flush(40) == 0
    assert -1 not in offsets
    return offsets


def test_the_records_of_a_batch_that_decompresses_to_too_much_are_rejected_and_the_partition_continues(
    world: World,
) -> None:
    before, after = 1, 2
    first, last = created(1), created(2)
    write(world, "none", [(first.order_id.encode(), first.SerializeToString())])
    lost = write(world, "zstd", [*[(b"k", b"v")] * before, (b"bomb", BOMB), *[(b"k", b"v")] * after])
    (end,) = write(world, "none", [(last.order_id.encode(), last.SerializeToString())])
    assert lost == list(range(end - before - after - 1, end))
    world.drain(world.worker())
    assert world.metrics() == sums([first, last])
    rows = world.rows("""SELECT "offset" FROM dead_letter WHERE reason = 'UNREADABLE_BATCH' ORDER BY 1""")
    assert [offset for (offset,) in rows] == lost
    assert shown(world, (topics.ORDER_EVENTS, PARTITION, lost[0])).value is None
    assert redriven(world, (topics.ORDER_EVENTS, PARTITION, lost[0])) == [redrive.NEVER_READ]
    reader = TopicReader(world.settings, [topics.ORDER_EVENTS], Start())
    lines = [EventLines().line(message) for message in reader.existing()]
    reader.close()
    assert sum('"unreadable"' in line for line in lines) == len(lost)
    assert len(lines) == len(lost) + 2


@pytest.mark.more
def test_a_large_readable_record_has_a_dead_letter_that_can_be_read_and_redriven(world: World) -> None:
    (offset,) = write(world, "gzip", [(b"bomb", BOMB)])
    worker = world.worker()
    world.drain(worker)
    place = (topics.ORDER_EVENTS, PARTITION, offset)
    assert shown(world, place).value == BOMB
    assert redriven(world, place) == [""]
    world.drain(worker)
    assert world.dead_letters() == [("UNDECODABLE", None)] * 2
