"""Checks again in the service what the front proxy enforces: who may call a method, by the option of the contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from google.protobuf import descriptor_pool
from ordermesh.options.v1 import options_pb2
from ordermesh.options.v1.options_pb2 import Access
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.authentication import Authentication
from runtime.errors import PermissionDenied
from runtime.identity import caller

Metadata: TypeAlias = "Iterable[tuple[str, str | bytes]] | None"
# Sets the caller of a call from its metadata, or raises Unauthenticated or PermissionDenied.
Guard = Callable[[Callable[[], Metadata]], None]
# Methods without the option that need no credentials.
OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")


def guard(method: str, authentication: Authentication) -> Guard:
    """Return the check of the calls of a method, which is given how to read the metadata.

    A method that says of nobody that he may call it is closed.
    """
    if authentication == "off" or method.startswith(OPEN):
        return lambda metadata: caller.set_current(caller.ANONYMOUS)
    access = access_of(method)
    if access.internal:
        return lambda metadata: caller.set_current(caller.ANONYMOUS)
    allowed = frozenset(access.roles)

    def check(metadata: Callable[[], Metadata]) -> None:
        found = caller.from_metadata(metadata())
        if found.role not in allowed:
            message = "the role of the caller does not allow this call"
            raise PermissionDenied(ErrorReason.PERMISSION_DENIED, message)
        caller.set_current(found)

    return check


def access_of(method: str) -> Access:
    """Return the access of `/package.Service/Method`, an empty one if the contracts state none."""
    try:
        found = descriptor_pool.Default().FindMethodByName(method[1:].replace("/", "."))
    except KeyError:
        return Access()
    access: Access = found.GetOptions().Extensions[options_pb2.access]  # type: ignore[index]  # as in field_rules
    return access
