"""What the components of one stack share: settings, folders, sockets, and the addresses of the databases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime.settings import PREFIX
from stack.machine.paths import StateFolder
from stack.processes.logfile import LogFile
from stack.servers.credentials import DATABASE_OF, Credentials
from stack.servers.postgres import Postgres
from stack.settings import StackSettings
from stack.supervision.status import Servers

# The parts of a DSN that are not about the server.
PERSONAL = ("user", "password", "dbname")
ACCESS_LOG_LIMIT_BYTES = 64 * 1024 * 1024


def given_env() -> dict[str, str]:
    """Return the settings of our environment, which reach every service; the stack's own go before them."""
    return {variable: value for variable, value in os.environ.items() if variable.startswith(PREFIX)}


@dataclass(frozen=True)
class Site:
    """Holds everything that the components of one stack share."""

    settings: StackSettings
    state: StateFolder
    run_dir: Path
    credentials: Credentials
    env: Mapping[str, str] = field(default_factory=given_env)

    def log(self, name: str) -> LogFile:
        """Return the log file of a component."""
        return LogFile(self.state.logs / f"{name}.log")

    def socket(self, name: str) -> Path:
        """Return the path of a service's Unix socket."""
        return self.run_dir / f"{name}.sock"

    @property
    def temporary(self) -> Path:
        """The folder for the services' temporary files, emptied at each start."""
        return self.run_dir / "tmp"

    @property
    def orders_sockets(self) -> list[Path]:
        """The sockets of the orders processes."""
        return [self.socket(f"orders-{index}") for index in range(self.settings.orders_processes)]

    @property
    def orders_active(self) -> int:
        """How many orders processes take calls at a time: half as many as there are cores, the others stand by.

        Two that share two cores with all the rest cost a third more an order: each has commits with half of the orders.
        """
        return min(self.settings.orders_processes, max(1, len(os.sched_getaffinity(0)) // 2))

    @property
    def lane_sockets(self) -> list[Path]:
        """The sockets of their fast lanes; none with the lane off."""
        count = self.settings.orders_processes if self.settings.orders_lane else 0
        return [self.socket(f"lane-{index}") for index in range(count)]

    @property
    def access_log(self) -> LogFile:
        """Envoy's access log."""
        return LogFile(self.state.logs / "access.log", ACCESS_LOG_LIMIT_BYTES)

    @property
    def admin_dsn(self) -> str:
        """The superuser's DSN, given or local."""
        given = self.settings.postgres_admin_dsn
        return postgres(self).admin_dsn if given is None else given.get_secret_value()

    @property
    def servers(self) -> Servers:
        """Where the databases and Kafka are."""
        known = conninfo_to_dict(self.admin_dsn).items()
        parts = {name: str(value) for name, value in known if name not in PERSONAL and value is not None}
        return Servers(make_conninfo(**parts), self.settings.bootstrap, self.settings.kafka_properties)

    def dsn(self, role: str) -> str:
        """Return the DSN of a role to its own database, on the same server and with the same TLS as the superuser's."""
        password = self.credentials.password(role)
        return make_conninfo(self.admin_dsn, user=role, password=password, dbname=DATABASE_OF[role])


def postgres(site: Site) -> Postgres:
    """Return the local PostgreSQL."""
    folder, port = site.state.postgres, site.settings.postgres_port
    return Postgres(folder, site.run_dir, port, site.log("postgres"), site.credentials)
