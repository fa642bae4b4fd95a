"""Producers of the simulated Kafka, and the messages of their reports, with the methods that the programs call."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError

from simulated.kafka.broker import Broker, Link, Record, Report


class Message:
    """A record as a consumer or a delivery report has it."""

    def __init__(self, record: Record, error: KafkaError | None = None) -> None:
        self.topic = lambda: record.place[0]
        self.partition = lambda: record.place[1]
        self.offset = lambda: record.offset
        self.key = lambda: record.key
        self.value = lambda: record.value
        self.headers = lambda: record.headers
        self.error = lambda: error
        self.timestamp = lambda: (1, 1_700_000_000_000)


class Producer:
    """An idempotent producer: the broker stores each of its records once, and those of a partition in order."""

    def __init__(self, broker: Broker, batch_records: int) -> None:
        self._broker = broker
        process = broker.scheduler.current
        assert process is not None
        self._link = Link(process.number, batch_records)
        broker.links.append(self._link)

    def produce(
        self, topic: str, value: bytes | None, key: Any, on_delivery: Report, headers: list[tuple[str, Any]]
    ) -> None:
        """Queue a record."""
        raw = key.encode() if isinstance(key, str) else key
        place = self._broker.partition_of(topic, raw)
        fields = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers]
        self._link.queued.setdefault(place, []).append(Record(place, raw, value, fields, on_delivery))
        self._link.unanswered += 1

    def flush(self, seconds: float) -> int:
        """Wait until all records are answered, and report them; return how many are not."""
        link = self._link
        if link.unanswered:
            self._broker.scheduler.wait(lambda: not link.unanswered, seconds)
        answered, link.answered = link.answered, []
        for record in answered:
            if record.report is not None:
                record.report(record.error, Message(record))
        return link.unanswered

    def purge(self) -> None:
        """Forget what is queued."""
        self._broker.close_link(self._link)
        self._link.unanswered = 0
