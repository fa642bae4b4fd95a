"""The origin of an operator's call, for the audit log."""

from __future__ import annotations

from runtime.audit.entries import Origin
from runtime.grpc import caller
from runtime.grpc.access import Metadata
from runtime.telemetry.trace_context import TraceContext

FORWARDED_FOR = "x-forwarded-for"
REQUEST_ID = "x-request-id"
# Of values that a client chooses.
MAX_CHARACTERS = 128


def of_operator(metadata: Metadata, trace: TraceContext) -> Origin | None:
    """Return the origin of the call that runs, None unless an operator makes it."""
    who = caller.current()
    if who.role != caller.OPERATOR:
        return None
    address = request_id = ""
    for key, value in metadata or ():
        if key == FORWARDED_FOR:
            # The front proxy appends the address that it saw to what the client sent.
            address = str(value).rpartition(",")[2].strip()
        elif key == REQUEST_ID:
            request_id = str(value)[:MAX_CHARACTERS]
    return Origin(caller.ROLE_NAMES[who.role], who.subject, address, request_id, trace.trace_id)
