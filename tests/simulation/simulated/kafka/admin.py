"""Admin clients of the simulated Kafka: topic ids, limits and offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from simulated.kafka.broker import PARTITIONS, TOPIC_IDS, Broker

EARLIEST = -2


class Admin:
    """Reads topic ids and offsets."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def poll(self, _: float) -> int:
        """Do nothing."""
        return 0

    def describe_topics(self, names: Any, request_timeout: float) -> dict[str, Future[Any]]:
        """Return the id and the partitions of topics."""
        return {name: self._answer(lambda name=name: Description(name)) for name in names.topic_names}

    def list_offsets(self, asked: dict[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        """Return the first or the next offset of partitions."""
        reach(self._broker, 5.0)
        ends = {place: len(log) for place, log in self._broker.logs.items()}
        return {
            at: self._answer(
                lambda at=at, spec=spec: SimpleNamespace(
                    offset=0 if spec._value == EARLIEST else ends[at.topic, at.partition]
                )
            )
            for at, spec in asked.items()
        }

    def describe_configs(self, resources: Iterable[Any], **_: Any) -> dict[Any, Future[Any]]:
        """Return the limits of topics."""
        limits = {"max.message.bytes": SimpleNamespace(value="1048588")}
        return {each: self._answer(lambda: limits) for each in resources}

    def _answer(self, answer: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self._broker.is_away:
            future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        else:
            future.set_result(answer())
        return future


class Description:
    """A topic description; the id is a new object each time, as runtime.kafka.offsets.release_id expects."""

    def __init__(self, name: str) -> None:
        self._topic_id = TOPIC_IDS[name]
        self.partitions = [None] * PARTITIONS[name]

    @property
    def topic_id(self) -> Any:
        """The id in the form of the client."""
        return TopicId(self._topic_id)


class TopicId:
    """A topic id in two signed halves."""

    def __init__(self, topic_id: UUID) -> None:
        self._bytes = topic_id.bytes

    def get_most_significant_bits(self) -> int:
        """Return the first half."""
        return int.from_bytes(self._bytes[:8], "big", signed=True)

    def get_least_significant_bits(self) -> int:
        """Return the second half."""
        return int.from_bytes(self._bytes[8:], "big", signed=True)


def reach(broker: Broker, seconds: float) -> None:
    """Reach the cluster within a time. Raises KafkaException."""
    if not broker.scheduler.wait(lambda: not broker.is_away, seconds):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
