"""The user that a server runs as when the person is root and the server refuses to be."""

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
class Identity:
    """Names a uid and a gid without supplementary groups."""

    uid: int
    gid: int


def unprivileged() -> Identity:
    """Return the account for servers that refuse root: `ordermesh` where it exists, else `nobody`."""
    for name in (OWN_ACCOUNT, FALLBACK_ACCOUNT):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(account.pw_uid, account.pw_gid)
    raise ServerMissing(
        f"PostgreSQL refuses to run as root: create the account {OWN_ACCOUNT} (useradd --system {OWN_ACCOUNT})"
    )


def owner_of(folder: Path) -> Identity | None:
    """Return the unprivileged owner of a folder that exists; the uid of data that is there must not change."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return None if status.st_uid == 0 else Identity(status.st_uid, status.st_gid)


def server_identity(folder: Path) -> Identity | None:
    """Return who runs a server whose data is in folder; None means the person."""
    if os.geteuid() != 0:
        return None
    return owner_of(folder) or unprivileged()


def allowed(path: Path, identity: Identity, wanted: int) -> bool:
    """Say whether the mode bits of path grant identity what is wanted."""
    status = path.stat()
    if status.st_uid == identity.uid:
        return (status.st_mode >> 6) & wanted == wanted
    if status.st_gid == identity.gid:
        return (status.st_mode >> 3) & wanted == wanted
    return status.st_mode & wanted == wanted


def first_closed(path: Path, identity: Identity) -> Path | None:
    """Return the first folder above path that identity may not pass, None when it can reach path."""
    for folder in reversed(path.resolve().parents):
        if not allowed(folder, identity, SEARCH):
            return folder
    return None
