"""Formats Kafka messages as lines of JSON, decoded as the type in their content-type header."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Message
from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.web.contract_files import descriptor_pool
from runtime import timestamps
from runtime.kafka.records.headers import Headers, UnreadableHeaders, last_value, read_headers
from runtime.telemetry.console import shown_json

CONTENT_TYPE = "content-type"
# Kafka's timestamp of a message without a time.
NO_TIME = -1
Shown = str | dict[str, str] | None


class Undecodable(Exception):
    """Explains why a message is shown as bytes."""


class EventLines:
    """Formats messages with the descriptors of the contracts."""

    def __init__(self) -> None:
        self._pool = descriptor_pool()

    def line(self, message: Message) -> str:
        """Return a message as a line of JSON; an undecodable one has its bytes in base64 and the reason."""
        value: bytes | None = message.value()
        shown: dict[str, Any] = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            **time_field(message.timestamp()[1]),
            "key": text(message.key()),
            "headers": None,
        }
        if (error := message.error()) is not None:
            return shown_json(shown | {"event": None, "unreadable": error.str()})
        try:
            headers = read_headers(message)
            shown["headers"] = by_name(headers)
            shown["event"] = self._event(headers, value)
        except (Undecodable, UnreadableHeaders) as error:
            shown |= {"event": None, "undecodable": str(error), "bytes": encoded(value or b"")}
        return shown_json(shown)

    def _event(self, headers: Headers, value: bytes | None) -> dict[str, Any]:
        name = type_name(headers)
        try:
            kind = GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError as error:
            raise Undecodable(f"the contracts have no type {name}") from error
        if value is None:
            raise Undecodable("the message has no value")
        try:
            return MessageToDict(kind.FromString(value), preserving_proto_field_name=True, descriptor_pool=self._pool)
        except (DecodeError, JsonError, ValueError, TypeError) as error:
            raise Undecodable(f"not a valid {name}: {error}") from error


def type_name(headers: Headers) -> str:
    """Return the type in the content-type header. Raises Undecodable when it has none."""
    given = last_value(headers, CONTENT_TYPE) or b""
    found = re.search(r";\s*type=([\w.]+)", given.decode("utf-8", "replace"))
    if found is None:
        raise Undecodable(f"no type in a {CONTENT_TYPE} header")
    return found[1]


def time_field(milliseconds: int) -> dict[str, str | int | None]:
    """Return Kafka's time in ISO 8601, or the number when it is out of range."""
    time = timestamps.millisecond_text(milliseconds)
    if time is None and milliseconds != NO_TIME:
        return {"time": None, "timestamp_ms": milliseconds}
    return {"time": time}


def text(value: bytes | str | None) -> Shown:
    """Return bytes as text, or as an object with base64 when they are not UTF-8."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": encoded(value)}


def encoded(value: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(value).decode()


def by_name(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, Shown | list[Shown]]:
    """Return headers by name; a repeated name has a list."""
    found: dict[str, list[Shown]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
