"""An API key: its form, and what is known of it without the key itself."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from stack.errors import SettingInvalid

PREFIX = "om_"
KEY_BYTES = 32
ROLES = ("customer", "operator", "analyst")
# As a customer id in the contracts.
SUBJECT = re.compile(r"[!-~]{1,128}")
MAX_NAME = 100


@dataclass(frozen=True)
class ApiKey:
    """A key: what identifies its caller, when it was made, and until when it is valid."""

    id: str
    role: str
    subject: str
    name: str
    # RFC 3339.
    created: str
    # SHA-256 in hexadecimal. A key has 256 random bits, so that a slow digest would add nothing.
    digest: str
    # The last characters of the key.
    ending: str
    # Seconds since 1970; None: until it is revoked.
    expires: float | None = None

    @property
    def client(self) -> str:
        """The caller as the services see it."""
        return f"{self.role}:{self.subject}"


def new_id() -> str:
    """Return the id of a new key."""
    return f"key-{secrets.token_hex(4)}"


def new_key(role: str, subject: str, name: str, expires: float | None = None, key_id: str = "") -> tuple[ApiKey, str]:
    """Return a key as it is known, and the key itself. Raises SettingInvalid."""
    if role not in ROLES:
        raise SettingInvalid(f"--role must be one of {', '.join(ROLES)}, is {role!r}")
    if not SUBJECT.fullmatch(subject):
        raise SettingInvalid(f"--subject must have 1 to 128 printable ASCII characters without spaces, is {subject!r}")
    if len(name) > MAX_NAME or not name.isprintable():
        raise SettingInvalid(f"--name must have at most {MAX_NAME} printable characters, is {name!r}")
    secret = f"{PREFIX}{secrets.token_urlsafe(KEY_BYTES)}"
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return ApiKey(key_id or new_id(), role, subject, name, created, digest_of(secret), secret[-4:], expires), secret


def digest_of(secret: str) -> str:
    """Return the digest by which a key is known."""
    return hashlib.sha256(secret.encode()).hexdigest()
