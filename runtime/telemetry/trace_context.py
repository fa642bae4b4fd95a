"""W3C trace context: read from calls, generated when missing, written to events."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Metadata: TypeAlias = "Iterable[tuple[str, str | bytes]] | None"
# A version later than 00 may have more after another dash; version ff is invalid.
TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
# Where the last digit of the flags is, and which of them say that the trace is sampled.
FLAG = slice(54, 55)
SAMPLED_DIGITS = frozenset("13579bdf")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A trace context: trace id, span id of the caller, and whether the trace is sampled."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """Return the traceparent header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> TraceContext | None:
    """Parse a traceparent header; None when it is invalid."""
    found = TRACEPARENT.fullmatch(traceparent)
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1)) if found else None


def from_metadata(metadata: Metadata) -> TraceContext:
    """Return the trace context of a call, a new one when the caller sent none."""
    for key, value in metadata or ():
        if key == "traceparent" and isinstance(value, str) and (context := parse(value)):
            return context
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8), False)


def sampled(traceparent: str) -> TraceContext | None:
    """Return the trace context of a header whose trace is sampled; others are not parsed."""
    return parse(traceparent) if traceparent[FLAG] in SAMPLED_DIGITS else None


def sampled_caller(metadata: Metadata) -> TraceContext | None:
    """Return the trace context of a call whose trace is sampled, None for others."""
    for key, value in metadata or ():
        if key == "traceparent" and isinstance(value, str):
            return sampled(value)
    return None
