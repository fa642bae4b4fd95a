"""Writes dead letters: the bytes of what could not be counted, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.batch import Parked, Place, header_pairs
from runtime import kafka
from runtime.settings import Settings

PREFIX = "dlq-"
FLUSH_SECONDS = 10.0

Headers = list[tuple[str, str | bytes | None]]


class LetterNotWritten(Exception):
    """Kafka has not taken a dead letter, so its event must not be passed over yet."""


class LetterBox:
    """Writes dead letters; connects when there is one."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: Producer | None = None
        self._queued: set[Place] = set()
        self._written: dict[Place, tuple[int, int]] = {}

    def write(self, parked: Sequence[Parked]) -> None:
        """Write the letters that are not written yet and note where they are. Blocks; raises LetterNotWritten."""
        for letter in parked:
            if letter.place not in self._queued:
                self._produce(letter)
        if parked and self._connected().flush(FLUSH_SECONDS):
            raise LetterNotWritten(f"dead letters are not written after {FLUSH_SECONDS:g} s")
        for letter in parked:
            if letter.place not in self._written:
                raise LetterNotWritten(f"the dead letter of {letter.place} was refused")
            letter.letter_partition, letter.letter_offset = self._written[letter.place]

    def forget(self) -> None:
        """Forget what was written, once it is recorded."""
        self._queued.clear()
        self._written.clear()

    def _produce(self, letter: Parked) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._written[letter.place] = (message.partition() or 0, message.offset() or 0)
            else:
                self._queued.discard(letter.place)

        message, (topic, _, _) = letter.message, letter.place
        try:
            self._connected().produce(
                kafka.DEAD_LETTER_TOPICS[topic],
                value=message.value(),
                key=message.key(),
                headers=letter_headers(letter),
                on_delivery=delivered,
            )
            self._queued.add(letter.place)
        except (BufferError, KafkaException) as error:
            raise LetterNotWritten(f"the dead letter of {letter.place} cannot be written: {error}") from error

    def _connected(self) -> Producer:
        if self._producer is None:
            overrides = {"message.max.bytes": kafka.MAX_LETTER_BYTES}
            self._producer = kafka.producer(self._settings, f"{self._client_id}-letters", overrides)
        return self._producer


def letter_headers(letter: Parked) -> Headers:
    """Return the event's own headers and, with a prefix, why and from where it was set aside."""
    topic, partition, offset = letter.place
    why = {
        "reason": letter.poison.reason.value,
        "detail": letter.poison.detail,
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "timestamp-ms": str(letter.message.timestamp()[1]),
    }
    own: Headers = [(name, value) for name, value in header_pairs(letter.message) if not name.startswith(PREFIX)]
    return own + [(PREFIX + name, value.encode()) for name, value in why.items()]
