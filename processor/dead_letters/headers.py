"""The headers of a dead letter: those of its event, followed by its own, with the prefix `dlq-`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from processor.events.batch import DeadLetter, Place
from runtime.kafka.records.headers import Headers
from runtime.kafka.records.raw_headers import RawHeaders

PREFIX = "dlq-"
# The first of a dead letter's own headers: everything before it belongs to the event.
FIRST_OWN = f"{PREFIX}reason"
# Holds the event's headers as text where a name is not UTF-8.
RAW_HEADERS = f"{PREFIX}headers"


def headers_of(dead_letter: DeadLetter, raw: Mapping[Place, RawHeaders]) -> Headers:
    """Return the event's own headers and, with the prefix, the reason and the place it was read from.

    Raw headers are encoded into the text of one header, so that every client can read the dead letter.
    """
    topic, partition, offset = dead_letter.place
    own = {
        "reason": dead_letter.rejection.reason.value,
        "detail": dead_letter.rejection.detail,
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "topic-id": str(dead_letter.topic_id),
        "timestamp-ms": str(dead_letter.message.timestamp()[1]),
    }
    if dead_letter.place in raw:
        own["headers"] = encode(raw[dead_letter.place])
    return (dead_letter.headers or []) + [(PREFIX + name, value.encode()) for name, value in own.items()]


def split(headers: Headers) -> tuple[Headers, Headers]:
    """Return the headers of a dead letter's event, and its own that follow them."""
    names = [name for name, _ in headers]
    end = len(names) - names[::-1].index(FIRST_OWN) - 1 if FIRST_OWN in names else len(names)
    return headers[:end], headers[end:]


def encode(headers: RawHeaders) -> str:
    """Return headers as JSON: a list of names and values, each in base64."""
    return json.dumps(
        [[None if part is None else base64.b64encode(part).decode() for part in pair] for pair in headers]
    )


def decode(text: bytes) -> RawHeaders:
    """Return the headers that `encode` encoded."""
    pairs = [[None if part is None else base64.b64decode(part) for part in pair] for pair in json.loads(text)]
    return [(name or b"", value) for name, value in pairs]
