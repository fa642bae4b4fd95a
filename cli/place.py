"""Where the platform is that a command talks to: the local stack's addresses, or those of the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from runtime.settings import PREFIX
from stack.credentials import load_or_create
from stack.errors import ServerFailed
from stack.paths import StateFolder, default_home
from stack.plan import Site
from stack.settings import StackSettings
from stack.status import StackStatus, read_status


def local_status() -> StackStatus | None:
    """Return the status of the local stack, None when none runs."""
    home = default_home()
    status = read_status(StateFolder(home).status) if home.is_dir() else None
    return status if status is not None and status.running else None


def require_status() -> StackStatus:
    """Return the status of the local stack. Raises ServerFailed when none runs."""
    status = local_status()
    if status is None:
        raise ServerFailed(f"no stack runs with the state folder {default_home()}: start one with `ordermesh up`")
    return status


def front_address(target: str | None) -> str:
    """Return host:port of the front door: the given one, else the local stack's."""
    if target:
        return target.removeprefix("http://").rstrip("/")
    return require_status().addresses["grpc"]


@dataclass(frozen=True)
class Access:
    """The address of a database or of Kafka that a command works on."""

    variable: str
    role: str

    def dsn(self) -> str:
        """Return the DSN of the settings, else that of the local stack's role."""
        given = os.environ.get(self.variable)
        if given:
            return given
        status = require_status()
        state = StateFolder(default_home())
        credentials = load_or_create(state.credentials)
        local = status.components.get("postgres")
        if local is None:
            return Site(StackSettings.load(), state, state.run_dir(), credentials).dsn(self.role)
        host, _, port = local.address.rpartition(":")
        return credentials.dsn(self.role, host, int(port))


def use_local_kafka() -> None:
    """Let the Kafka settings of this process name the local stack's broker unless they name one."""
    variable = f"{PREFIX}KAFKA_BOOTSTRAP"
    if variable not in os.environ:
        os.environ[variable] = require_status().addresses["kafka"]


ORDERS = Access(f"{PREFIX}ORDERS_DSN", "orders_publisher")
ANALYTICS = Access(f"{PREFIX}ANALYTICS_DSN", "analytics_worker")
