"""What the components of one stack share: settings, folders, sockets and connection strings."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime.kafka.settings import KafkaSettings
from runtime.settings import PREFIX
from stack.machine.files import PASSABLE, PRIVATE, SHARED
from stack.machine.held_port import HeldPort
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.processes.server_account import ENVOY, OBSERVE, SERVICES, Account, give, own_account
from stack.servers.credentials import DATABASE_OF, Credentials
from stack.servers.credentials import OBSERVE as OBSERVE_LOGIN
from stack.servers.postgres import Postgres
from stack.settings import StackSettings
from stack.supervision.front_certificate import FrontCertificate
from stack.supervision.status import Servers

if TYPE_CHECKING:
    from stack.observe.observation import Observation

# The parameters of a DSN that depend on the role.
ROLE_PARAMETERS = ("user", "password", "dbname")
# What takes spans, with `--observe`.
SPANS = "spans"
ACCESS_LOG_LIMIT_BYTES = 64 * 1024 * 1024


def ordermesh_env() -> dict[str, str]:
    """Return the settings in our environment, of which each service gets its own."""
    return {variable: value for variable, value in os.environ.items() if variable.startswith(PREFIX)}


@dataclass(frozen=True)
class StackContext:
    """Settings, folders, sockets, passwords and environment of one stack."""

    settings: StackSettings
    state: StateFolder
    run_dir: Path
    credentials: Credentials
    env: Mapping[str, str] = field(default_factory=ordermesh_env)
    # The ports of the front proxy, held while it is down.
    front_ports: tuple[HeldPort, ...] = ()
    # None without `--observe`.
    observation: Observation | None = None

    def log(self, name: str) -> LogFile:
        """Return the log file of a component."""
        return LogFile(self.state.logs / f"{name}.log")

    def socket(self, service: str, name: str = "") -> Path:
        """Return the path of a service's Unix socket, which has the service's name by default."""
        return self.sockets / service / f"{name or service}.sock"

    @property
    def sockets(self) -> Path:
        """The folder that has a folder for the Unix sockets of each service."""
        return self.run_dir / "services"

    @property
    def temporary(self) -> Path:
        """The folder that has a folder for the temporary files of each program, emptied at each start."""
        return self.run_dir / "tmp"

    def make_folders(self) -> None:
        """Make the folders that contain those of the programs, and Envoy's; log levels are those of the settings."""
        self.state.write_log_level(self.settings.log_level)
        shutil.rmtree(self.temporary, ignore_errors=True)
        give(self.envoy_admin.parent, own_account(ENVOY), PRIVATE)
        for folder in (self.sockets, self.temporary):
            # Ours: a service that was taken over must not put its own socket where another's is expected.
            give(folder, Account(os.geteuid(), os.getegid()), PASSABLE if os.geteuid() == 0 else PRIVATE)

    def own_folders(self, program: str) -> tuple[Path, Path]:
        """Make the folders that one program alone may write, with the accounts that use them.

        Return that of its sockets, which Envoy may enter, and that of its temporary files.
        """
        services, envoy = own_account(SERVICES), own_account(ENVOY)
        sockets, temporary = self.sockets / program, self.temporary / program
        # Sockets in it get its group.
        give(sockets, services, PRIVATE if envoy is None else SHARED, envoy)
        give(temporary, services, PRIVATE)
        return sockets, temporary

    @property
    def orders_sockets(self) -> list[Path]:
        """The sockets of the orders processes."""
        return [self.socket("orders", f"orders-{index}") for index in range(self.settings.orders_processes)]

    @property
    def orders_active(self) -> int:
        """How many orders processes receive requests at a time: at most half as many as cores, the others stand by.

        Two processes that share two cores with everything else cost a third more for each order: each commits half as
        many orders at a time.
        """
        return min(self.settings.orders_processes, max(1, len(os.sched_getaffinity(0)) // 2))

    @property
    def lane_sockets(self) -> list[Path]:
        """The sockets of the fast lanes, none when they are off."""
        count = self.settings.orders_processes if self.settings.orders_lane else 0
        return [self.socket("orders", f"lane-{index}") for index in range(count)]

    @property
    def other_sockets(self) -> dict[str, Path]:
        """The sockets of the other services behind the front proxy, by name."""
        gateway = {name: self.socket("gateway", name) for name in ("gateway", "gateway-http")}
        return {"analytics": self.socket("analytics"), **gateway}

    @property
    def envoy_config(self) -> Path:
        """Envoy's configuration file, written at each start."""
        return self.state.home / "envoy.yaml"

    @property
    def envoy_admin(self) -> Path:
        """The Unix socket of Envoy's admin interface."""
        return self.run_dir / "envoy" / "admin.sock"

    @functools.cached_property
    def front_certificate(self) -> FrontCertificate:
        """The certificate of the front proxy."""
        return FrontCertificate(self.settings, self.state)

    @property
    def access_log(self) -> LogFile:
        """Envoy's access log."""
        return LogFile(self.state.logs / "access.log", ACCESS_LOG_LIMIT_BYTES)

    @property
    def admin_dsn(self) -> str:
        """The superuser's DSN, of the external server or the local one."""
        given = self.settings.postgres_admin_dsn
        return postgres(self).admin_dsn if given is None else given.get_secret_value()

    @property
    def servers(self) -> Servers:
        """The addresses of the databases and Kafka."""
        known = conninfo_to_dict(self.admin_dsn).items()
        shared = {name: str(value) for name, value in known if name not in ROLE_PARAMETERS and value is not None}
        return Servers(make_conninfo(**shared), self.settings.bootstrap, self.settings.kafka_properties)

    def dsn(self, role: str) -> str:
        """Return the DSN of a role for its database, with the same server and TLS settings as the superuser's."""
        password = self.credentials.password(role)
        return make_conninfo(self.admin_dsn, user=role, password=password, dbname=DATABASE_OF[role])

    def kafka_settings(self, user: str) -> KafkaSettings:
        """Return the Kafka settings of a program: as its own user of the local Kafka, as given for an external one."""
        own = {} if self.settings.external_kafka else self.credentials.kafka(user)
        properties = {**self.settings.kafka_properties, **own}
        return KafkaSettings(kafka_bootstrap=self.settings.bootstrap, kafka_properties=properties)

    def kafka_env(self, user: str) -> dict[str, str]:
        """Return the same settings for the environment of a program, without the prefix."""
        settings = self.kafka_settings(user)
        return {"KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "KAFKA_PROPERTIES": json.dumps(settings.kafka_properties)}


def accounts(settings: StackSettings) -> tuple[str, ...]:
    """Return the accounts that a stack has besides the usual ones."""
    return () if settings.observe == "off" else (OBSERVE,)


@contextlib.contextmanager
def observed(
    settings: StackSettings, state: StateFolder, run_dir: Path, credentials: Credentials
) -> Iterator[Observation | None]:
    """Return what the stack is observed with, None without `--observe`, which then costs nothing."""
    if settings.observe == "off":
        yield None
        return
    from stack.observe.observation import observation

    password, brokers = credentials.password(OBSERVE_LOGIN), settings.broker_names
    folders, logs = (state.observe, run_dir / "observe"), settings.observe == "logs"
    with observation(*folders, settings.observe_port, password, brokers, logs=logs) as found:
        yield found


def traced(context: StackContext) -> StackContext:
    """Return the context with which spans go to the Zipkin of `--observe`, unless the settings send them elsewhere."""
    settings = context.settings
    if context.observation is None or not context.observation.stores_spans or settings.otlp_endpoint:
        return context
    update: dict[str, object] = {"otlp_endpoint": f"unix:{context.socket(SPANS)}"}
    if not settings.model_fields_set & {"traces_sampler", "traces_sampler_arg"}:
        # A person who tries something out wants to see each trace.
        update["traces_sampler_arg"] = 1.0
    return replace(context, settings=settings.model_copy(update=update))


def postgres(context: StackContext) -> Postgres:
    """Return the local PostgreSQL."""
    settings, log = context.settings, context.log("postgres")
    return Postgres(
        context.state.postgres,
        context.run_dir,
        settings.postgres_port,
        log,
        context.credentials,
        listen=settings.postgres_listen,
    )
