"""Writes dead letters: the bytes of what could not be counted, with the reason.

What Kafka refuses in a batch is sent again alone; what it refuses then is kept in the database, and the worker goes on.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Message

from processor.events.batch import Kept, Parked, Place
from runtime.kafka import clients, raw_headers, size_limits, topics
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.errors import is_refused
from runtime.kafka.headers import Headers
from runtime.kafka.raw_headers import RawHeaders
from runtime.settings import Settings
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

# A letter has its event's headers and behind them, from the reason on, those of its own.
PREFIX = "dlq-"
FIRST_OWN = f"{PREFIX}reason"
RAW_HEADERS = f"{PREFIX}headers"
# Together well below the time that the server gives an idle transaction.
WRITE_SECONDS = 3.0
RAW_SECONDS = 3.0
# Kafka may be slow, or have lost the record.
RAW_ATTEMPTS = 10


class LetterNotWritten(Exception):
    """Kafka has not taken a dead letter, so its event must not be passed over yet."""


class LetterBox:
    """Writes dead letters; connects when there is one."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._batches: Outbound[Place] | None = None
        self._singles: Outbound[Place] | None = None
        # What each of the two has in hand or has written, so that a second attempt does not write it twice.
        self._in_batches: set[Place] = set()
        self._in_singles: set[Place] = set()
        self._written: dict[Place, tuple[int, int]] = {}
        self._raw: dict[Place, RawHeaders] = {}
        self._raw_attempts = 0

    def write(self, parked: Sequence[Parked]) -> None:
        """Write the letters that are not written yet and note where they are. Blocks; raises LetterNotWritten."""
        if not parked:
            return
        raw = self._raw_headers([letter.place for letter in parked if letter.headers is None])
        deadline = time.monotonic() + WRITE_SECONDS
        try:
            refused = self._send(self._batch_producer(), self._in_batches, parked, raw, deadline)
            if refused:
                refused = self._send(self._single_producer(), self._in_singles, refused, raw, deadline)
        except NotAcknowledged as error:
            raise LetterNotWritten(f"dead letters are not written: {error}") from error
        for letter in parked:
            letter.letter_partition, letter.letter_offset = self._written.get(letter.place, (None, None))
        if refused:
            self._keep(refused, raw)

    def forget(self, parked: Sequence[Parked]) -> None:
        """Forget what was written, once it is recorded."""
        for letter in parked:
            self._in_batches.discard(letter.place)
            self._in_singles.discard(letter.place)
            self._written.pop(letter.place, None)
            self._raw.pop(letter.place, None)
            for each in filter(None, (self._batches, self._singles)):
                each.errors.pop(letter.place, None)

    def forget_all(self) -> None:
        """Forget all that was written, as when offsets are those of another topic."""
        for each in filter(None, (self._batches, self._singles)):
            each.errors.clear()
        self._in_batches.clear()
        self._in_singles.clear()
        self._written.clear()
        self._raw.clear()

    def _send(
        self,
        producer: Outbound[Place],
        in_hand: set[Place],
        letters: Sequence[Parked],
        raw: Mapping[Place, RawHeaders],
        deadline: float,
    ) -> list[Parked]:
        """Send what the producer does not have in hand, and return what Kafka refuses.

        Raises NotAcknowledged, and LetterNotWritten for an error that passes.
        """
        for letter in letters:
            if letter.place in in_hand:
                continue
            message, headers = letter.message, letter_headers(letter, raw)
            topic = topics.DEAD_LETTER_TOPICS[letter.place[0]]
            producer.put(letter.place, topic, message.value(), message.key(), headers, deadline)
            in_hand.add(letter.place)
        producer.wait(deadline)
        passing = {error.name() for error in producer.errors.values() if not is_refused(error)}
        answered = producer.errors.keys() | self._written.keys()
        if passing or any(letter.place not in answered for letter in letters):
            self._give_up()
            raise LetterNotWritten(f"dead letters are not written: {', '.join(sorted(passing)) or 'no answer'}")
        return [letter for letter in letters if letter.place in producer.errors]

    def _keep(self, refused: Sequence[Parked], raw: Mapping[Place, RawHeaders]) -> None:
        """Have the database keep the bytes of these events."""
        errors = self._single_producer().errors
        for letter in refused:
            topic, partition, offset = letter.place
            cause = errors[letter.place].str()
            logger().error("dead letter refused", topic=topic, partition=partition, offset=offset, cause=cause)
            own = raw.get(letter.place) or [(name.encode(), value) for name, value in letter.headers or []]
            letter.kept = Kept(letter.message.key(), letter.message.value(), encoded(own))
        metrics.DEAD_LETTERS_REJECTED.inc(len(refused))

    def _raw_headers(self, places: Sequence[Place]) -> Mapping[Place, RawHeaders]:
        """Read again what the client could not; a letter that waits for it in vain is written without.

        Raises LetterNotWritten while another attempt may bring more.
        """
        missing = [place for place in places if place not in self._raw]
        if not missing:
            return self._raw
        try:
            found = raw_headers.read(self._settings, f"{self._client_id}-headers", missing, RAW_SECONDS)
        except (OSError, AttributeError) as error:
            logger().warning("headers cannot be read as bytes", error=str(error))
            return self._raw
        self._raw |= found
        if len(found) < len(missing) and self._raw_attempts < RAW_ATTEMPTS:
            self._raw_attempts += 1
            raise LetterNotWritten("the headers of dead letters are not read yet")
        self._raw_attempts = 0
        return self._raw

    def _batch_producer(self) -> Outbound[Place]:
        if self._batches is None:
            size_bytes = size_limits.known_batch_bytes(
                self._settings, f"{self._client_id}-limits", list(topics.DEAD_LETTER_TOPICS.values())
            )
            self._batches = self._new_producer({"batch.size": size_bytes})
        return self._batches

    def _single_producer(self) -> Outbound[Place]:
        if self._singles is None:
            self._singles = self._new_producer(ONE_BY_ONE)
        return self._singles

    def _new_producer(self, properties: Mapping[str, int]) -> Outbound[Place]:
        overrides = {**size_limits.AS_LARGE_AS_THE_BROKER_TAKES, **properties}
        return Outbound(clients.producer(self._settings, f"{self._client_id}-letters", overrides), self._note)

    def _note(self, place: Place, message: Message) -> None:
        self._written[place] = (message.partition() or 0, message.offset() or 0)

    def _give_up(self) -> None:
        """Begin anew with new producers: what these had in hand may then be written twice."""
        for each in filter(None, (self._batches, self._singles)):
            each.close()
        self._batches = self._singles = None
        self.forget_all()


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
        "topic-id": str(letter.topic_id),
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
