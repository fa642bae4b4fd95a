"""Who a call is counted for by limits: the caller that the front proxy names, else the address that it saw."""

from __future__ import annotations

from runtime.identity import caller, origin
from runtime.identity.access import Metadata


def client_key(metadata: Metadata) -> str:
    """Return the key of the client of a call, empty for a call that did not come through the front proxy."""
    address = ""
    for key, value in metadata or ():
        if key == caller.HEADER:
            return str(value)
        if key == origin.ADDRESS:
            address = str(value)
    return address
