"""Turns what Kafka holds into lines of JSON, decoded by the descriptor set as each message's content type says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Message
from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.web.contracts import descriptor_pool
from runtime import timestamps
from runtime.kafka.headers import Headers, UnreadableHeaders, last_value, read_headers

CONTENT_TYPE = "content-type"
# What Kafka has for a message without a time.
NO_TIME = -1
Shown = str | dict[str, str] | None


class Undecodable(Exception):
    """Says why bytes are shown as they are."""


class EventLines:
    """Writes messages as lines; holds the descriptors."""

    def __init__(self) -> None:
        self._pool = descriptor_pool()

    def line(self, message: Message) -> str:
        """Return a message as one line of JSON; bytes that are no event come in base64 with the reason."""
        value: bytes | None = message.value()
        shown: dict[str, Any] = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            **written_at(message.timestamp()[1]),
            "key": text(message.key()),
            "headers": None,
        }
        if (error := message.error()) is not None:
            return json.dumps(shown | {"event": None, "unreadable": error.str()}, separators=(",", ":"))
        try:
            headers = read_headers(message)
            shown["headers"] = grouped(headers)
            shown["event"] = self._event(headers, value)
        except (Undecodable, UnreadableHeaders) as error:
            shown |= {"event": None, "undecodable": str(error), "bytes": encoded(value or b"")}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

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
            raise Undecodable(f"no {name}: {error}") from error


def type_name(headers: Headers) -> str:
    """Return the type that the content type names. Raises Undecodable when there is none."""
    given = last_value(headers, CONTENT_TYPE) or b""
    found = re.search(r";\s*type=([\w.]+)", given.decode("utf-8", "replace"))
    if found is None:
        raise Undecodable(f"no {CONTENT_TYPE} header names a type")
    return found[1]


def written_at(milliseconds: int) -> dict[str, str | int | None]:
    """Return Kafka's time as people and programs read it; the number itself where it is no time of a calendar."""
    time = timestamps.millisecond_text(milliseconds)
    if time is None and milliseconds != NO_TIME:
        return {"time": None, "timestamp_ms": milliseconds}
    return {"time": time}


def text(value: bytes | str | None) -> Shown:
    """Return bytes as text, or as base64 and marked so where they are none."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": encoded(value)}


def encoded(value: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(value).decode()


def grouped(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, Shown | list[Shown]]:
    """Return headers by name; a name that comes more than once has a list."""
    found: dict[str, list[Shown]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
