"""The platform that a command works on: the addresses of the local stack, or those in the settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Annotated, Literal

import grpc
import typer
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from runtime.grpc.client_tls import open_channel
from runtime.identity.client_credential import CredentialSettings, authenticated
from runtime.kafka.access import OPERATOR
from runtime.kafka.settings import KafkaSettings
from runtime.settings import PREFIX, Settings
from stack.errors import ServerFailed, SettingInvalid, StateInUse
from stack.identity.own_credentials import own_credential
from stack.machine.paths import HOME_SETTING, default_home
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import DATABASE_OF, OWNERS, load_or_create
from stack.settings import StackSettings
from stack.supervision.front_certificate import use_own_certificates
from stack.supervision.status import StackStatus, read_status

Target = Annotated[str | None, typer.Option(help="The front proxy; the local stack's by default.")]
DsnSetting = Literal["orders_dsn", "analytics_dsn"]


def local_status() -> StackStatus | None:
    """Return the status of the local stack, None when none runs."""
    home = default_home()
    status = read_status(StateFolder(home).status) if home.is_dir() else None
    return status if status is not None and status.running else None


def require_status() -> StackStatus:
    """Return the status of the local stack. Raises ServerFailed when none runs."""
    status = local_status()
    if status is None:
        raise ServerFailed(f"no stack is running with the state folder {default_home()}: start one with `ordermesh up`")
    return status


def require_stopped() -> None:
    """Raise StateInUse when the local stack runs."""
    if local_status() is not None:
        raise StateInUse(
            f"the stack with the state folder {default_home()} is running: stop it first with `ordermesh down`"
        )


def settings_to_start() -> StackSettings:
    """Return the settings to start a stack with; with ORDERMESH_HOME and no ports set, its ports are free ones."""
    settings = StackSettings.load()
    return StackSettings.with_free_offset() if chooses_free_ports(settings) else settings


def chooses_free_ports(settings: StackSettings) -> bool:
    """Return whether a stack with these settings chooses free ports by itself."""
    return HOME_SETTING in os.environ and not settings.moves_ports


@dataclass(frozen=True)
class FrontProxy:
    """The front proxy that a command calls: host:port, https://host:port over TLS, and the credential, if any."""

    address: str
    credential: str | None = field(default=None, repr=False)

    def channel(self) -> grpc.Channel:
        """Return a gRPC channel whose calls carry the credential."""
        return authenticated(open_channel(self.address), self.credential)


def front_proxy(target: str | None) -> FrontProxy:
    """Return the target with the credential of the settings, or the local stack's with its own. Raises ServerFailed."""
    given = CredentialSettings.load().credential
    if target:
        return FrontProxy(target.removeprefix("http://").rstrip("/"), given)
    status, state = require_status(), StateFolder(default_home())
    address = status.addresses["rest"]
    use_own_certificates(state, address)
    return FrontProxy(address.removeprefix("http://"), given or own_credential(state, status.authentication))


class DatabaseSettings(Settings):
    """The databases of another platform than the local stack."""

    orders_dsn: SecretStr | None = None
    analytics_dsn: SecretStr | None = None


@dataclass(frozen=True)
class DatabaseTarget:
    """A database that a command works on."""

    setting: DsnSetting
    role: str
    # The role's own by default; the viewer reads both.
    database: str = ""

    def dsn(self) -> str:
        """Return the DSN in the settings, else that of the role in the local stack. Raises StackError."""
        given: SecretStr | None = getattr(DatabaseSettings.load(), self.setting)
        if given is None:
            return role_dsn(self.role, self.database or DATABASE_OF[self.role])
        try:
            conninfo_to_dict(given.get_secret_value())
        except ProgrammingError:
            # The message of the library may contain the password.
            raise SettingInvalid(f"{PREFIX}{self.setting.upper()} is not a PostgreSQL connection string") from None
        return given.get_secret_value()


def role_dsn(role: str, database: str) -> str:
    """Return the DSN of a role to a database on the server of the local stack. Raises ServerFailed when none runs."""
    server = require_status().servers.postgres
    password = load_or_create(StateFolder(default_home()).credentials).password(role)
    return make_conninfo(server, user=role, password=password, dbname=database)


def use_local_kafka() -> None:
    """Set this process's Kafka settings to the local stack's unless they are set. Raises ServerFailed."""
    given = KafkaSettings.load().model_fields_set
    if "kafka_bootstrap" not in given:
        status = require_status()
        os.environ[f"{PREFIX}KAFKA_BOOTSTRAP"] = status.servers.kafka
        if "kafka_properties" not in given:
            os.environ[f"{PREFIX}KAFKA_PROPERTIES"] = json.dumps(operator_properties(status))


def operator_properties(status: StackStatus) -> dict[str, str]:
    """Return the properties with which commands connect to the stack's Kafka: to a local one as its operator."""
    own = {} if status.external_kafka else load_or_create(StateFolder(default_home()).credentials).kafka(OPERATOR)
    return {**status.servers.kafka_properties, **own}


# Repairs change what no service may.
ORDERS_OWNER = DatabaseTarget("orders_dsn", OWNERS["orders"])
ANALYTICS_OWNER = DatabaseTarget("analytics_dsn", OWNERS["analytics"])
