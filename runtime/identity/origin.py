"""The origin of an operator's call, for the audit log."""

from __future__ import annotations

from runtime.audit.entries import Origin
from runtime.identity import caller
from runtime.identity.access import Metadata
from runtime.telemetry.trace_context import TraceContext

# The address that the front proxy saw: it replaces what a client sent. In x-forwarded-for it has the machine's own
# address in place of loopback.
ADDRESS = "x-envoy-external-address"
REQUEST_ID = "x-request-id"
# Of values that a client chooses.
MAX_CHARACTERS = 128


def of_named_operator(metadata: Metadata, trace: TraceContext) -> Origin | None:
    """Return the same, None also without authentication, where nobody tells an operator from a customer."""
    return None if caller.current() == caller.ANONYMOUS else of_operator(metadata, trace)


def of_operator(metadata: Metadata, trace: TraceContext) -> Origin | None:
    """Return the origin of the call that runs, None unless an operator makes it."""
    who = caller.current()
    if who.role != caller.OPERATOR:
        return None
    address = request_id = ""
    for key, value in metadata or ():
        if key == ADDRESS:
            address = str(value)
        elif key == REQUEST_ID:
            request_id = str(value)[:MAX_CHARACTERS]
    return Origin(caller.ROLE_NAMES[who.role], who.subject, address, request_id, trace.trace_id)
