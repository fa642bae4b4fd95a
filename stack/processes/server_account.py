"""The account that a server runs as when we are root and the server refuses to run as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ServerMissing

OWN_ACCOUNT = "ordermesh"
FALLBACK_ACCOUNT = "nobody"
READ, WRITE, SEARCH = 4, 2, 1


@dataclass(frozen=True)
class Account:
    """A uid and a gid, without supplementary groups."""

    uid: int
    gid: int


def unprivileged_account() -> Account:
    """Return the account for servers that refuse root: `ordermesh` where it exists, else `nobody`."""
    for name in (OWN_ACCOUNT, FALLBACK_ACCOUNT):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(account.pw_uid, account.pw_gid)
    raise ServerMissing(
        f"PostgreSQL refuses to run as root: create the account {OWN_ACCOUNT} (useradd --system {OWN_ACCOUNT})"
    )


def owner_of(folder: Path) -> Account | None:
    """Return the owner of a folder unless it is root; the owner of existing data must not change."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return None if status.st_uid == 0 else Account(status.st_uid, status.st_gid)


def server_account(folder: Path) -> Account | None:
    """Return the account for a server whose data is in a folder, None for our own."""
    if os.geteuid() != 0:
        return None
    return owner_of(folder) or unprivileged_account()


def allowed(path: Path, account: Account, wanted: int) -> bool:
    """Return whether the mode bits of a path grant the account what is wanted."""
    status = path.stat()
    if status.st_uid == account.uid:
        return (status.st_mode >> 6) & wanted == wanted
    if status.st_gid == account.gid:
        return (status.st_mode >> 3) & wanted == wanted
    return status.st_mode & wanted == wanted


def first_inaccessible(path: Path, account: Account) -> Path | None:
    """Return the first folder above a path that the account may not enter, None when it can reach the path."""
    for folder in reversed(path.resolve().parents):
        if not allowed(folder, account, SEARCH):
            return folder
    return None
