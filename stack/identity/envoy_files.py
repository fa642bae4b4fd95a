"""The files of keys that Envoy reads: private to its account, and replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from frontdoor.filters.authentication import keys_resource

from stack.errors import SettingInvalid
from stack.machine.files import write_private
from stack.processes.server_account import ENVOY, Account, give, own_account

# Its group, Envoy's, may watch the folder for replaced files.
FOR_READERS = 0o750


def write_keys(path: Path, clients: dict[str, str]) -> None:
    """Write the file of keys: `role:subject` by key. A running Envoy applies it to the next calls."""
    write_for_envoy(path, keys_resource(clients))


def read_keys(path: Path) -> list[str]:
    """Return the keys in the file, none without a file. Raises SettingInvalid."""
    try:
        resources = json.loads(path.read_text())["resources"]
        return [credential["key"] for credential in resources[0]["typed_config"]["credentials"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingInvalid(
            f"{path} is not a valid file of keys: {error}; delete it and make new keys with `ordermesh keys rotate`"
        ) from error


def write_for_envoy(path: Path, content: object) -> None:
    """Write a file of JSON that only Envoy's account can read, and that it cannot replace."""
    account = own_account(ENVOY)
    if account is not None:
        give(path.parent, Account(os.geteuid(), account.gid), FOR_READERS, account)
    write_private(path, json.dumps(content, indent=1) + "\n", (account.uid, account.gid) if account else None)
