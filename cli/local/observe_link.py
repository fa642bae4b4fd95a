"""The address of what `up --observe` started, with the login."""

from __future__ import annotations

from stack.errors import ServerFailed
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import OBSERVE, load_or_create
from stack.supervision.status import StackStatus


def observe_link(status: StackStatus, path: str = "/") -> str:
    """Return the address of a path of the observe front. Raises ServerFailed when the stack has none."""
    address = status.addresses.get("observe")
    if address is None:
        raise ServerFailed("the stack runs without it: start it with `ordermesh up --observe`")
    # Imported with it only.
    from stack.observe.observation import link

    return link(address, load_or_create(StateFolder(default_home()).credentials).password(OBSERVE), path)
