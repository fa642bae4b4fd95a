"""Batches: what a rejected record is recorded with."""

from uuid import UUID

from confluent_kafka import Message

from processor.events.batch import Batch, reject_into
from processor.events.event import Reason, Rejection
from processor.events.resume_positions import Position


class Received:
    """A message at an offset."""

    def topic(self) -> str:
        return "order-events"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return 7


def test_a_poison_pill_is_recorded_with_the_id_of_its_topic() -> None:
    topic_id = UUID(int=5)
    batch = Batch({("order-events", 1): Position(topic_id, 7)})
    received: Message = Received()  # type: ignore[assignment]
    reject_into(batch, received, Rejection(Reason.CRASHED_WORKER, "3 workers crashed"))
    assert [(each.place, each.topic_id) for each in batch.dead_letters] == [(("order-events", 1, 7), topic_id)]
