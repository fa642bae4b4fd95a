"""The caller of a method: the role and the subject that the front proxy authenticated."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from ordermesh.options.v1.options_pb2 import Access
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import PermissionDenied, Unauthenticated

# Set by the front proxy, which removes it from requests of clients: `<role>:<subject>`.
HEADER = "x-ordermesh-client"
ROLES = {Access.Role.Name(role).lower(): role for role in (Access.CUSTOMER, Access.OPERATOR, Access.ANALYST)}
ROLE_NAMES = {role: name for name, role in ROLES.items()}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what it may do."""

    role: Access.Role
    subject: str

    @property
    def is_customer(self) -> bool:
        """Whether only the orders of its own customer_id exist for the caller."""
        return self.role == Access.CUSTOMER

    @property
    def only_customer_id(self) -> str | None:
        """The customer_id that the caller is limited to, None for all."""
        return self.subject if self.is_customer else None

    def own_customer_id(self, customer_id: str) -> str:
        """Return the customer_id of a request; a customer's own if it names none. Raises PermissionDenied."""
        if not self.is_customer:
            return customer_id
        if customer_id not in ("", self.subject):
            raise PermissionDenied(ErrorReason.PERMISSION_DENIED, "customer_id: must be that of the caller")
        return self.subject


OPERATOR = Access.OPERATOR
# Who calls while authentication is off.
ANONYMOUS = Caller(OPERATOR, "anonymous")
_CURRENT: ContextVar[Caller] = ContextVar("caller")


def current() -> Caller:
    """Return the caller of the method that runs. Raises Unauthenticated outside of a method that checked it."""
    try:
        return _CURRENT.get()
    except LookupError:
        raise unauthenticated() from None


def set_current(caller: Caller) -> None:
    """Set the caller of the method that runs, in its task or thread."""
    _CURRENT.set(caller)


def from_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> Caller:
    """Return the caller that the front proxy names. Raises Unauthenticated unless it names exactly one."""
    values = [value for key, value in metadata or () if key == HEADER]
    found = named(values[0]) if len(values) == 1 else None
    if found is None:
        raise unauthenticated()
    return found


@functools.lru_cache(maxsize=4096)
def named(value: str | bytes) -> Caller | None:
    """Return the caller of a value of the header, None if it names nobody."""
    if not isinstance(value, str):
        return None
    role, _, subject = value.partition(":")
    return Caller(ROLES[role], subject) if role in ROLES and subject else None


def unauthenticated() -> Unauthenticated:
    """Return the error for a call without valid credentials."""
    message = "no valid credentials: send authorization: Bearer with a key or token"
    return Unauthenticated(ErrorReason.UNAUTHENTICATED, message)
