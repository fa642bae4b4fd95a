"""Restores the local PostgreSQL from a base backup and the archived log, to the end of the log or to a time before."""

from __future__ import annotations

import shlex
import shutil
import signal
import tarfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runtime.postgres.connections import connect
from stack.backup.backup_folder import PARTIAL, Backup
from stack.backup.base_backup import verify
from stack.backup.wal_archive import APPLICATION, SQL
from stack.errors import ServerFailed
from stack.machine.files import PRIVATE, write_private
from stack.machine.state_folder import StateFolder
from stack.processes.process import Command, Process
from stack.processes.server_account import give, server_account, take_over
from stack.servers.credentials import SUPERUSER, load_or_create
from stack.servers.postgres import SETTINGS, Postgres, server_env

# The time of the last transaction that was replayed.
Replayed = Callable[[datetime], None]
SIGNAL = "recovery.signal"
BEFORE = "data.before-restore"
STOP_SECONDS = 60.0
TOO_LATE = "recovery ended before configured recovery target was reached"
POLL_SECONDS = 0.5
# In pg_hba.conf of the recovering server: whoever may enter the private folder of its socket.
TRUSTED = "local all all trust\n"


def restore(backup: Backup, state: StateFolder, time: datetime | None, replayed: Replayed) -> Path | None:
    """Restore a base backup, replay the log up to a time, and put the result in the place of the present data.

    Returns the folder to which the present data moved, None when there was none. Files of the state folder are
    restored where they are missing. Requires the lock of the state folder. Raises StackError; then the data is as it
    was.
    """
    restore_missing(backup.state, state.home)
    server = Postgres.alone(state, load_or_create(state.credentials))
    give(server.folder, server_account(server.folder), PRIVATE)
    fresh = server.folder / "data.restored"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        verify(backup.base)
        copy(backup, fresh)
        recover(server, fresh, backup.chain.wal, time, replayed)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return put_in_place(fresh, server.data)


def restore_missing(archive: Path, home: Path) -> None:
    """Restore the small files of a state folder that do not exist."""
    with tarfile.open(archive) as files:
        missing = [each for each in files if not (home / each.name.partition("/")[0]).exists()]
        files.extractall(home, missing, filter="data")


def copy(backup: Backup, fresh: Path) -> None:
    """Copy the files of a base backup, owned by the account of PostgreSQL."""
    account = server_account(fresh.parent)
    shutil.copytree(backup.base, fresh, symlinks=True)
    (fresh / SIGNAL).touch(0o600)
    if account is not None:
        take_over(fresh, account)


def recover(server: Postgres, fresh: Path, wal: Path, time: datetime | None, replayed: Replayed) -> None:
    """Replay the log and begin a new timeline. Raises ServerFailed, such as when the log ends before the time."""
    account = server_account(server.folder)
    rules = server.folder / "recovery-hba.conf"
    write_private(rules, TRUSTED, None if account is None else (account.uid, account.gid))
    give(server.socket_dir, account, PRIVATE)
    argv = [server.binaries().program("postgres"), "-D", str(fresh), *options(server, rules, wal, time)]
    # Not confined: it runs the shell for each file of the archive.
    command = Command("PostgreSQL", argv, server_env(), account, stop_signal=signal.SIGINT, stop_seconds=STOP_SECONDS)
    process = Process(command, server.log)
    process.start()
    try:
        while process.running() and recovering(server, replayed):
            process.wait(POLL_SECONDS)
    finally:
        process.stop()
        rules.unlink()
    if time is not None and TOO_LATE in process.recent_log():
        raise ServerFailed(f"the archived log has nothing after {time}: choose an earlier time, or the end of the log")
    if (fresh / SIGNAL).exists():
        raise process.failure("did not recover")


def options(server: Postgres, rules: Path, wal: Path, time: datetime | None) -> list[str]:
    """Return the options of the recovering server: those of the local server, on its socket only, and the archive."""
    archived = f"{shlex.quote(str(wal).replace('%', '%%'))}/%f"
    settings = {
        **SETTINGS,
        "listen_addresses": "",
        "port": str(server.port),
        "unix_socket_directories": str(server.socket_dir),
        "hba_file": str(rules),
        "restore_command": f"cp {archived} %p 2>/dev/null || cp {archived}{PARTIAL} %p 2>/dev/null",
        "recovery_target_action": "promote",
        **({} if time is None else {"recovery_target_time": time.isoformat()}),
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def recovering(server: Postgres, replayed: Replayed) -> bool:
    """Return whether the server still recovers; report how far it is, and set the superuser's password at the end."""
    target = make_conninfo(host=str(server.socket_dir), port=str(server.port), user=SUPERUSER, dbname="postgres")
    try:
        with connect(target, APPLICATION) as connection:
            ((goes_on, last),) = connection.execute(SQL.replayed).fetchall()
            if last is not None:
                replayed(last)
            if not goes_on:
                password = sql.Literal(server.credentials.password(SUPERUSER))
                role = sql.Identifier(SUPERUSER)
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
            return bool(goes_on)
    except psycopg.OperationalError:
        return True


def put_in_place(fresh: Path, data: Path) -> Path | None:
    """Rename the restored data to the name of the present data, which is kept under another name, which is returned."""
    if not data.exists():
        fresh.rename(data)
        return None
    kept = data.with_name(BEFORE)
    shutil.rmtree(kept, ignore_errors=True)
    data.rename(kept)
    fresh.rename(data)
    return kept
