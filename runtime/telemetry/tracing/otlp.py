"""Encodes spans as OTLP without protobuf objects, which would take three times as long; pure.

The numbers of fields are those of opentelemetry/proto/trace/v1/trace.proto and its imports, which do not change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

Value = str | int | bool
# Of fixed64 fields 7 and 8: start and end in nanoseconds since 1970.
TIMES = struct.Struct("<cQcQ")
START, END = b"\x39", b"\x41"
TRACE_ID, SPAN_ID, PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
ATTRIBUTE, LINK, STATUS = 9, 13, 15
ERROR = b"\x18\x02"
SIXTY_FOUR_BITS = (1 << 64) - 1


class Kind(IntEnum):
    """The kind of a span."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class SpanType:
    """What spans of one type share, encoded once: name, kind, fixed attributes, and the keys of those that vary."""

    def __init__(self, name: str, kind: Kind, fixed: Mapping[str, Value], keys: Sequence[str] = ()) -> None:
        attributes = b"".join(field(ATTRIBUTE, attribute(key, value)) for key, value in fixed.items())
        self.name = name
        self._head = field(5, name.encode()) + b"\x30" + varint(kind) + attributes
        self._keys = [field(1, key.encode()) for key in keys]

    def encode(
        self,
        trace_id: str,
        span_id: str,
        parent_id: str,
        times: tuple[int, int],
        values: Sequence[Value | None] = (),
        links: Iterable[tuple[str, str]] = (),
        error: str | None = None,
    ) -> bytes:
        """Return a span as a field of its scope.

        `times` are its start and end in nanoseconds since 1970; a value of None is no attribute; `links` are pairs of
        trace id and span id; `error` is the message of a failed span, which may be empty.
        """
        parts = [TRACE_ID, bytes.fromhex(trace_id), SPAN_ID, bytes.fromhex(span_id)]
        if parent_id:
            parts += PARENT_ID, bytes.fromhex(parent_id)
        parts += self._head, TIMES.pack(START, times[0], END, times[1])
        for key, value in zip(self._keys, values, strict=True):
            if value is not None:
                parts.append(field(ATTRIBUTE, key + any_value(value)))
        for linked_trace, linked_span in links:
            ids = TRACE_ID + bytes.fromhex(linked_trace) + SPAN_ID + bytes.fromhex(linked_span)
            parts.append(field(LINK, ids))
        if error is not None:
            parts.append(field(STATUS, (field(2, error.encode()) if error else b"") + ERROR))
        return field(2, b"".join(parts))


class Envelope:
    """What every request of a process shares: its resource and the name of the scope of its spans."""

    def __init__(self, resource: Mapping[str, Value], scope: str, version: str) -> None:
        self._resource = field(1, b"".join(field(1, attribute(key, value)) for key, value in resource.items()))
        self._scope = field(1, field(1, scope.encode()) + field(2, version.encode()))

    def request(self, spans: Iterable[bytes]) -> bytes:
        """Return an ExportTraceServiceRequest with these encoded spans."""
        return field(1, self._resource + field(2, self._scope + b"".join(spans)))


def attribute(key: str, value: Value) -> bytes:
    """Return a KeyValue."""
    return field(1, key.encode()) + any_value(value)


def any_value(value: Value) -> bytes:
    """Return the value of a KeyValue."""
    if isinstance(value, str):
        return field(2, field(1, value.encode("utf-8", "replace")))
    if isinstance(value, bool):
        return field(2, b"\x10" + bytes((value,)))
    return field(2, b"\x18" + varint(value & SIXTY_FOUR_BITS))


def field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field; its number is below 16."""
    size = len(data)
    if size < 128:
        return bytes((number << 3 | 2, size)) + data
    return bytes((number << 3 | 2,)) + varint(size) + data


def varint(number: int) -> bytes:
    """Return a number as a varint; it must not be negative."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
