"""Writes dead letters: the bytes of what could not be counted, with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.batch import Parked, Place
from runtime import kafka, raw_headers
from runtime.headers import Headers
from runtime.logging import logger
from runtime.raw_headers import RawHeaders
from runtime.settings import Settings

# A letter has its event's headers and behind them, from the reason on, those of its own.
PREFIX = "dlq-"
FIRST_OWN = f"{PREFIX}reason"
RAW_HEADERS = f"{PREFIX}headers"
FLUSH_SECONDS = 10.0
RAW_SECONDS = 3.0


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
        waiting = [letter for letter in parked if letter.place not in self._queued]
        raw = self._raw_headers([letter.place for letter in waiting if letter.headers is None])
        for letter in waiting:
            self._produce(letter, letter_headers(letter, raw))
        if parked and self._connected().flush(FLUSH_SECONDS):
            raise LetterNotWritten(f"dead letters are not written after {FLUSH_SECONDS:g} s")
        for letter in parked:
            if letter.place not in self._written:
                raise LetterNotWritten(f"the dead letter of {letter.place} was refused")
            letter.letter_partition, letter.letter_offset = self._written[letter.place]

    def forget(self, parked: Sequence[Parked]) -> None:
        """Forget what was written, once it is recorded."""
        for letter in parked:
            self._queued.discard(letter.place)
            self._written.pop(letter.place, None)

    def forget_all(self) -> None:
        """Forget all that was written, as when offsets are those of another topic."""
        self._queued.clear()
        self._written.clear()

    def _raw_headers(self, places: Sequence[Place]) -> Mapping[Place, RawHeaders]:
        """Read again what the client could not; a letter that waits for it in vain is written without."""
        if not places:
            return {}
        try:
            return raw_headers.read(self._settings, f"{self._client_id}-headers", places, RAW_SECONDS)
        except (OSError, AttributeError) as error:
            logger().warning("headers cannot be read as bytes", error=str(error))
            return {}

    def _produce(self, letter: Parked, headers: Headers) -> None:
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
                headers=headers,  # type: ignore[arg-type]  # its stub has a list of str | bytes | None
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


def letter_headers(letter: Parked, raw: Mapping[Place, RawHeaders]) -> Headers:
    """Return the event's own headers and, with a prefix, why and from where it was set aside.

    Headers that are bytes become the text of one, so that every client can read the letter.
    """
    topic, partition, offset = letter.place
    why = {
        "reason": letter.poison.reason.value,
        "detail": letter.poison.detail,
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "timestamp-ms": str(letter.message.timestamp()[1]),
    }
    if letter.place in raw:
        why["headers"] = encoded(raw[letter.place])
    return (letter.headers or []) + [(PREFIX + name, value.encode()) for name, value in why.items()]


def encoded(headers: RawHeaders) -> str:
    """Return headers as JSON: a list of names and values, each in base64."""
    return json.dumps(
        [[None if part is None else base64.b64encode(part).decode() for part in pair] for pair in headers]
    )


def decoded(text: bytes) -> RawHeaders:
    """Return the headers that were encoded so."""
    parts = [[None if part is None else base64.b64decode(part) for part in pair] for pair in json.loads(text)]
    return [(name or b"", value) for name, value in parts]
