"""Where the platform is that a command talks to: the local stack's addresses, or those of the settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from psycopg.conninfo import make_conninfo

from runtime.settings import PREFIX
from stack.credentials import DATABASE_OF, load_or_create
from stack.errors import ServerFailed
from stack.paths import HOME_SETTING, StateFolder, default_home
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


def settings_to_start() -> StackSettings:
    """Return the settings to start a stack with; in a folder of its own it finds free ports unless some are set."""
    settings = StackSettings.load()
    return StackSettings.with_free_offset() if HOME_SETTING in os.environ and not settings.moves_ports else settings


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
        return os.environ.get(self.variable) or role_dsn(self.role, DATABASE_OF[self.role])


def role_dsn(role: str, database: str) -> str:
    """Return the DSN of a role to a database on the server of the local stack. Raises ServerFailed when none runs."""
    server = require_status().servers.postgres
    password = load_or_create(StateFolder(default_home()).credentials).password(role)
    return make_conninfo(server, user=role, password=password, dbname=database)


def use_local_kafka() -> None:
    """Let the Kafka settings of this process name the local stack's broker unless they name one."""
    variable = f"{PREFIX}KAFKA_BOOTSTRAP"
    if variable not in os.environ:
        servers = require_status().servers
        os.environ[variable] = servers.kafka
        os.environ.setdefault(f"{PREFIX}KAFKA_PROPERTIES", json.dumps(servers.kafka_properties))


ORDERS = Access(f"{PREFIX}ORDERS_DSN", "orders_publisher")
ANALYTICS = Access(f"{PREFIX}ANALYTICS_DSN", "analytics_worker")
