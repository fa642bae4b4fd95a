"""The accounts of servers and services when root starts the stack: one for each server, one for the services."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ServerMissing
from stack.processes.waiting import wait_until

SERVICES, POSTGRES, KAFKA, ENVOY = "ordermesh", "ordermesh-postgres", "ordermesh-kafka", "ordermesh-envoy"
NAMES = (SERVICES, POSTGRES, KAFKA, ENVOY)
# Of what `--observe` starts; made with it.
OBSERVE = "ordermesh-observe"
# PostgreSQL refuses to run as root, and this account exists everywhere.
FALLBACK = "nobody"
USERADD = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent")
USERADD_SECONDS = 10.0
READ, WRITE, SEARCH = 4, 2, 1


@dataclass(frozen=True)
class Account:
    """A uid and a gid, without supplementary groups.

    `passes_modes` keeps the capability to read and enter whatever the mode bits say; for a confined process only.
    """

    uid: int
    gid: int
    passes_modes: bool = False


def find(name: str) -> Account | None:
    """Return the account of this name, None when there is none."""
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(known.pw_uid, known.pw_gid)


def own_account(name: str) -> Account | None:
    """Return the account for a server or for the services, None for ours: without root, or where it is missing."""
    return find(name) if os.geteuid() == 0 else None


def missing(*further: str) -> list[str]:
    """Return the names of the accounts that are missing, none without root."""
    return [name for name in (*NAMES, *further) if os.geteuid() == 0 and find(name) is None]


def create_missing(*further: str) -> str:
    """Create the accounts that are missing; return what to tell about that, an empty string for nothing."""
    wanted = missing(*further)
    refusals = {refusal for name in wanted if (refusal := create(name))}
    left = missing(*further)
    if left:
        return (
            f"cannot create the system accounts {', '.join(left)} ({'; '.join(sorted(refusals))}): without them "
            f"PostgreSQL runs as {FALLBACK} and the others as root; create them by `useradd --system NAME`"
        )
    return f"created the system accounts {', '.join(wanted)}, as which the servers run" if wanted else ""


def create(name: str) -> str:
    """Create an account; return why that failed, an empty string when the account exists."""
    program = shutil.which(USERADD[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return f"{USERADD[0]} is not installed"
    refusal = ""

    def exists() -> bool:
        # Other stacks that start now hold the lock of /etc/passwd.
        nonlocal refusal
        argv = [program, *USERADD[1:], f"--shell={shutil.which('nologin') or '/usr/sbin/nologin'}", name]
        refusal = subprocess.run(argv, capture_output=True, text=True, check=False).stderr.strip()
        return find(name) is not None or "lock" not in refusal

    wait_until(exists, USERADD_SECONDS, poll_seconds=0.2)
    return "" if find(name) is not None else refusal


def server_account(folder: Path) -> Account | None:
    """Return the account of a PostgreSQL whose data is in a folder, None for our own.

    The data of somebody else stays theirs; what earlier versions left to root, nobody or the services is taken over.
    """
    if os.geteuid() != 0:
        return None
    earlier = {0, *(account.uid for name in (FALLBACK, *NAMES) if (account := find(name)) is not None)}
    owner = owner_of(folder)
    if owner is not None and owner.uid not in earlier:
        return owner
    account = find(POSTGRES) or find(FALLBACK)
    if account is None:
        raise ServerMissing(f"PostgreSQL refuses to run as root: create an account (useradd --system {POSTGRES})")
    return account


def owner_of(folder: Path) -> Account | None:
    """Return the owner of a folder, None when it does not exist."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return Account(status.st_uid, status.st_gid)


def give(folder: Path, account: Account | None, mode: int, group: Account | None = None) -> None:
    """Make a folder with its owner, group and mode, or correct them; without an account it stays ours."""
    folder.mkdir(mode=mode, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, (group or account).gid, follow_symlinks=False)
    folder.chmod(mode)


def take_over(folder: Path, account: Account) -> None:
    """Make the account the owner of a folder and everything beneath it; links are not followed."""
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, account.uid, account.gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)


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


def may_read(path: Path, account: Account) -> bool:
    """Return whether the account can reach and read a path; one that does not exist needs no right."""
    if not path.exists():
        return True
    wanted = READ | SEARCH if path.is_dir() else READ
    return first_inaccessible(path, account) is None and allowed(path.resolve(), account, wanted)
