"""Reads the headers of any record safely, including names that are not UTF-8.

See docs/decisions/0013-records-of-any-form.md.
"""

from __future__ import annotations

from operator import methodcaller

from confluent_kafka import Message

Headers = list[tuple[str, bytes | None]]

# Called directly, the interpreter may skip the check that turns the client's error into SystemError.
_checked_headers = methodcaller("headers")

# Replaces the headers of a message that cannot be read.
UNREADABLE: list[tuple[str, str | bytes | None]] = []


class UnreadableHeaders(Exception):
    """The name of a header is not UTF-8, which the protocol allows and the client cannot read."""


def read_headers(message: Message) -> Headers:
    """Return a record's headers. Raises UnreadableHeaders, on every call."""
    try:
        headers: Headers | None = _checked_headers(message)
    except SystemError:
        # The headers that the client left in the message have no names: reading them would crash the process.
        message.set_headers(UNREADABLE)
        headers = UNREADABLE  # type: ignore[assignment]  # as the client's stub has it
    if headers is UNREADABLE:
        raise UnreadableHeaders("the name of a header is not UTF-8")
    return headers or []


def last_value(headers: Headers, name: str) -> bytes | None:
    """Return the value of the last header of this name, as Kafka's `lastHeader` does; None when there is none."""
    value = None
    # Hot path: a loop takes a sixth of the time of a generator.
    for found, given in headers:
        if found == name:
            value = given
    return value
