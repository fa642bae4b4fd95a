"""Reads the headers of records: of any record without harm, and as bytes where a name is no text.

See docs/decisions/0013-any-record.md.
"""

from __future__ import annotations

from operator import methodcaller

from confluent_kafka import Message

Headers = list[tuple[str, bytes | None]]

# Called as message.headers(), the interpreter may skip the check that turns the client's error into SystemError.
_checked_headers = methodcaller("headers")


# What stands in a message in place of headers that cannot be read.
UNREADABLE: list[tuple[str, str | bytes | None]] = []


class UnreadableHeaders(Exception):
    """The name of a header is not UTF-8, which the protocol allows and the client cannot read."""


def read_headers(message: Message) -> Headers:
    """Return a record's headers. Raises UnreadableHeaders, as often as it is asked."""
    try:
        headers: Headers | None = _checked_headers(message)
    except SystemError:
        # What the client left in the message has no names: to read it would end the process.
        message.set_headers(UNREADABLE)
        headers = UNREADABLE  # type: ignore[assignment]  # as the client's stub has it
    if headers is UNREADABLE:
        raise UnreadableHeaders("the name of a header is not UTF-8")
    return headers or []


def last_value(headers: Headers, name: str) -> bytes | None:
    """Return the value of the last header of this name, as Kafka's `lastHeader` does; None when there is none."""
    value = None
    # On the path of every event: a loop takes a sixth of the time of a generator.
    for found, given in headers:
        if found == name:
            value = given
    return value
