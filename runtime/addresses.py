"""Addresses as settings: checked when they are read, so that a wrong one is named before anything starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from runtime import listen


def checked_address(address: str) -> str:
    """Return the address as it is. Raises ValueError when nothing can listen there."""
    listen.socket_path(address)
    return address


def checked_port(address: str) -> str:
    """Return host:port as it is. Raises ValueError when it is something else."""
    if listen.socket_path(address) is not None:
        raise ValueError(f"{address!r} is not host:port")
    return address


# unix:/path or host:port.
Address = Annotated[str, AfterValidator(checked_address)]
# host:port only.
PortAddress = Annotated[str, AfterValidator(checked_port)]
