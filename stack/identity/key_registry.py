"""The registry of API keys. It holds digests; the keys themselves are only in Envoy's file, which is made from it.

Both files are replaced as a whole, under a lock. A key is in force while it is in both: a new one is added to the
registry first, a revoked one leaves Envoy's file first, so that a crash in between never leaves an unknown key valid.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from stack.errors import SettingInvalid
from stack.identity.api_key import ApiKey, digest_of, new_key
from stack.identity.envoy_files import read_keys, write_keys
from stack.machine.files import write_private
from stack.machine.state_folder import StateFolder


class KeyRegistry:
    """The API keys of a state folder, whether its stack runs or not."""

    def __init__(self, state: StateFolder) -> None:
        self._path = state.api_keys
        self._envoy_file = state.envoy_keys
        self._lock = state.home / "keys.lock"
        self._revocations = state.home / "keys.revocations"

    def current(self) -> list[ApiKey]:
        """Return the keys that are in force, the oldest first. Raises SettingInvalid."""
        return [key for key in self._read() if not expired(key)]

    def create(
        self, role: str, subject: str, name: str = "", lifetime_seconds: float | None = None, key_id: str = ""
    ) -> str:
        """Make a key, by default with a new id, and return it; it cannot be read again. Raises SettingInvalid."""
        expires = None if lifetime_seconds is None else time.time() + lifetime_seconds
        made, secret = new_key(role, subject, name, expires, key_id)
        with self._locked():
            self._write([*self.current(), made], secret)
        return secret

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key invalid, and return it. Raises SettingInvalid."""
        with self._locked():
            found = self._find(key_id)
            self._keep([key for key in self.current() if key.id != key_id])
        return found

    def rotate(self, key_id: str, grace_seconds: float = 0, made_id: str = "") -> str:
        """Replace a key by a new one and return that; the old one is valid for the grace. Raises SettingInvalid."""
        with self._locked():
            old = self._find(key_id)
            made, secret = new_key(old.role, old.subject, old.name, old.expires, made_id)
            others = [key for key in self.current() if key.id != key_id]
            until = min(time.time() + grace_seconds, old.expires or float("inf"))
            self._write([*others, dataclasses.replace(old, expires=until), made], secret)
            if grace_seconds <= 0:
                self._keep([*others, made])
        return secret

    def drop_expired(self) -> None:
        """Remove the keys whose time is over."""
        if any(map(expired, self._read())):
            with self._locked():
                self._keep(self.current())

    def restore(self) -> None:
        """Write Envoy's file again from the keys that are in both files, as before a start."""
        with self._locked():
            self._write_envoy_file(self.current())

    def knows(self, secret: str) -> bool:
        """Return whether a key is in force."""
        digest = digest_of(secret)
        return any(key.digest == digest for key in self.current()) and secret in read_keys(self._envoy_file)

    def revocations(self) -> int:
        """Return how often keys left the registry."""
        return int(self._revocations.read_text()) if self._revocations.exists() else 0

    def _find(self, key_id: str) -> ApiKey:
        for key in self.current():
            if key.id == key_id:
                return key
        raise SettingInvalid(f"there is no key {key_id!r}; `ordermesh keys list` shows all")

    def _write(self, keys: Sequence[ApiKey], *new: str) -> None:
        self._write_registry(keys)
        self._write_envoy_file(keys, *new)

    def _keep(self, left: Sequence[ApiKey]) -> None:
        self._write_envoy_file(left)
        self._write_registry(left)

    def _write_registry(self, keys: Sequence[ApiKey]) -> None:
        if not {key.id for key in self._read()} <= {key.id for key in keys}:
            # Streams that were opened with them end by this number.
            write_private(self._revocations, f"{self.revocations() + 1}\n")
        write_private(self._path, json.dumps([dataclasses.asdict(key) for key in keys], indent=1) + "\n")

    def _write_envoy_file(self, keys: Sequence[ApiKey], *new: str) -> None:
        """Write the keys that Envoy has, and new ones, as far as they are in the registry."""
        by_digest = {digest_of(secret): secret for secret in (*read_keys(self._envoy_file), *new)}
        clients = {by_digest[key.digest]: key.client for key in keys if key.digest in by_digest}
        write_keys(self._envoy_file, clients)

    def _read(self) -> list[ApiKey]:
        try:
            return [ApiKey(**entry) for entry in json.loads(self._path.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise SettingInvalid(
                f"{self._path} is not a valid registry of keys: {error}; restore it, or delete it and make new keys"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open_private(self._lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def expired(key: ApiKey) -> bool:
    """Return whether the time of a key is over."""
    return key.expires is not None and key.expires <= time.time()


@contextlib.contextmanager
def open_private(path: Path) -> Iterator[int]:
    """Open a file that only its owner may access."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
