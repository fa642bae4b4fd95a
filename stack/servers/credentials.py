"""The generated passwords of the local databases and of Kafka, in one private file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from runtime.kafka import access
from stack.errors import SettingInvalid
from stack.machine.files import write_private

SUPERUSER = "postgres"
OWNERS = {"orders": "orders_owner", "analytics": "analytics_owner"}
APPS = {"orders": ("orders_app", "orders_publisher"), "analytics": ("analytics_worker", "analytics_reader")}
# Reads everything in both databases and writes nothing: for `ordermesh psql`.
VIEWER = "viewer"
DATABASE_OF = {role: database for database in OWNERS for role in (OWNERS[database], *APPS[database])}
# Receives the write-ahead log of the local PostgreSQL.
BACKUP = "backup"
# The keys that sign tokens, the newest first, separated by commas.
TOKEN_KEYS = "token-keys"  # noqa: S105  # the name of an entry
# Reads the figures of the local PostgreSQL, and no rows: for the exporter of `--observe`.
MONITOR = "monitor"
# Of people at what `--observe` starts.
OBSERVE = "observe"
# Of the brokers among themselves; the controllers' listener cannot use SCRAM.
KAFKA_BROKER, KAFKA_CONTROLLER = "ordermesh-broker", "ordermesh-controller"
ROLES = (SUPERUSER, *DATABASE_OF, VIEWER, BACKUP, MONITOR)
NAMES = (*ROLES, TOKEN_KEYS, OBSERVE, KAFKA_BROKER, KAFKA_CONTROLLER, *access.USERS)
PASSWORD_BYTES = 24
KEPT_TOKEN_KEYS = 2


@dataclass(frozen=True)
class Credentials:
    """The passwords of the databases' superuser and roles, and of Kafka's users."""

    passwords: Mapping[str, str]

    def password(self, role: str) -> str:
        """Return the password of a role or user."""
        return self.passwords[role]

    def dsn(self, role: str, host: str, port: int) -> str:
        """Return the connection URI of a role for its database."""
        database = DATABASE_OF.get(role, "postgres")
        return f"postgresql://{role}:{quote(self.passwords[role], safe='')}@{quote(host, safe='')}:{port}/{database}"

    def kafka(self, user: str) -> dict[str, str]:
        """Return the properties with which a client of the local Kafka is this user."""
        return access.client_properties(user, self.passwords[user])

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self.passwords))})"


def load_or_create(path: Path) -> Credentials:
    """Read the passwords, and generate the missing ones."""
    known = read(path) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in NAMES if name not in known}
    if missing:
        known |= missing
        write_private(path, json.dumps(known, indent=2) + "\n")
    return Credentials(known)


def rotate_token_keys(path: Path) -> None:
    """Put a new key before the one that signs tokens, and forget the keys before that. Raises SettingInvalid."""
    known = dict(load_or_create(path).passwords)
    kept = known[TOKEN_KEYS].split(",")[: KEPT_TOKEN_KEYS - 1]
    known[TOKEN_KEYS] = ",".join([secrets.token_urlsafe(PASSWORD_BYTES), *kept])
    write_private(path, json.dumps(known, indent=2) + "\n")


def read(path: Path) -> dict[str, str]:
    """Read the file. Raises SettingInvalid when it contains anything but passwords."""
    try:
        known = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise SettingInvalid(
            f"{path} is not a valid file of passwords: {error}; restore it, or delete the state folder to start empty"
        ) from error
    if not isinstance(known, dict) or not all(isinstance(word, str) for word in known.values()):
        raise SettingInvalid(
            f"{path} must contain an object of role to password; restore it, or delete the state folder to start empty"
        )
    return known
