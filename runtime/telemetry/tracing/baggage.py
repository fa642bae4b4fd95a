"""W3C Baggage of sampled calls: carried to the headers of events, within a limit."""

from __future__ import annotations

from runtime.telemetry.trace_context import Metadata

HEADER = "baggage"
# The standard asks for 8 KiB in requests. An event has less than that itself, and its baggage is stored with it.
MAX_CHARACTERS = 1024


def from_metadata(metadata: Metadata) -> str:
    """Return the baggage of a call, without the last members that exceed the limit."""
    members = ",".join(value for key, value in metadata or () if key == HEADER and isinstance(value, str))
    if not members.isascii():
        return ""
    if len(members) <= MAX_CHARACTERS:
        return members
    return members[: MAX_CHARACTERS + 1].rpartition(",")[0]
