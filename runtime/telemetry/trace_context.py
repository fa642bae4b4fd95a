"""W3C trace context: read from calls, generated when missing, written to events."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

# A version later than 00 may have more after another dash; version ff is invalid.
TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A trace context: trace id, span id of the caller, and whether the trace is sampled for the logs."""

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


def from_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> TraceContext:
    """Return the trace context of a call, a new one when the caller sent none."""
    for key, value in metadata or ():
        if key == "traceparent" and isinstance(value, str) and (context := parse(value)):
            return context
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8), False)
