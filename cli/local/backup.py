"""`ordermesh backup create | list | restore`: backups of the local PostgreSQL in the folder ORDERMESH_BACKUP_DIR."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output.formats import date_time
from cli.output.terminal import console, plain_table
from cli.recording import recorded
from cli.target import require_status, require_stopped
from runtime.audit.entries import Action
from stack.backup.backup_folder import SETTING, Backup, BackupFolder, Chain
from stack.backup.base_backup import create as create_backup
from stack.backup.base_backup import newest_before
from stack.backup.recovery import restore as restore_backup
from stack.errors import SettingInvalid
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.processes.server_account import server_account
from stack.servers.credentials import load_or_create
from stack.servers.postgres import Postgres
from stack.settings import StackSettings
from stack.supervision.status import StackStatus

KEEP = 7
TIMES = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"]
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Back up the local PostgreSQL, and restore it as it was at a point in time.",
)


def backup_folder(state: StateFolder) -> BackupFolder:
    """Return the folder of the setting. Raises SettingInvalid."""
    folder = StackSettings.load().backup_dir
    if folder is None:
        raise SettingInvalid(f"{SETTING} is required: a folder for backups, best on another disk")
    return BackupFolder.prepared(folder, server_account(state.postgres))


@app.command()
def create(
    keep: Annotated[
        int, typer.Option(min=1, help="Base backups to keep; older ones and their log are deleted.")
    ] = KEEP,
) -> None:
    """Make a base backup of the running stack's databases, verify it, and delete what is older than those to keep."""
    status, state = require_status(), StateFolder(default_home())
    folder = backup_folder(state)
    if not status.own_postgres:
        raise SettingInvalid("the stack uses an external PostgreSQL: use the backups of that server")
    server = running_server(state, status)
    with (
        recorded(Action("backup create", str(folder.folder), None, {"keep": keep})),
        Progress(TextColumn("base backup"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), console=console) as bar,
    ):
        task = bar.add_task("base backup", total=None)
        made = create_backup(server, state, folder, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"{made.name}: {made.size_bytes / 1e6:,.1f} MB, verified", soft_wrap=True)
    for old in folder.prune(keep):
        console.print(f"deleted {old.name}")


def running_server(state: StateFolder, status: StackStatus) -> Postgres:
    """Return the PostgreSQL of the running stack."""
    where = conninfo_to_dict(status.servers.postgres)
    log, credentials = LogFile(state.logs / "backup.log"), load_or_create(state.credentials)
    return Postgres(state.postgres, Path(str(where["host"])).parent, int(str(where["port"])), log, credentials)


@app.command("list")
def list_backups() -> None:
    """List the base backups, and the times to which each chain of them can be restored."""
    folder = backup_folder(StateFolder(default_home()))
    table = plain_table("backup", "restores from", "to", "MB")
    for chain in folder.chains():
        for backup in chain.backups():
            size = f"{backup.size_bytes / 1e6:,.1f}"
            table.add_row(backup.name, f"{date_time(backup.ended)}Z", f"{date_time(last_time(chain, backup))}Z", size)
    console.print(table if table.row_count else f"no base backups in {folder.folder}", soft_wrap=True)


def last_time(chain: Chain, backup: Backup) -> datetime:
    """Return the last time to which a backup can be restored, to the second."""
    return max(backup.ended, chain.archived_until() or backup.ended)


@app.command()
def restore(
    to: Annotated[
        datetime | None,
        typer.Option(formats=TIMES, help="Time in UTC; by default the end of the archived log.", metavar="TIME"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Restore both databases as they were at a time; the stack is down. The present data is kept beside them."""
    home = default_home()
    require_stopped()
    state = StateFolder(home)
    folder, time = backup_folder(state), None if to is None else to.replace(tzinfo=UTC)
    backup = newest_before(folder.backups(), time)
    if backup is None:
        raise SettingInvalid(
            f"no base backup{'' if time is None else f' before {date_time(time)}Z'} in {folder.folder}"
        )
    until = "the end of the archived log" if time is None else f"{date_time(time)}Z"
    if not yes:
        typer.confirm(f"The databases in {home} will be as they were at {until}. Restore?", abort=True)
    console.print(f"{backup.name}, then the log until {until}", soft_wrap=True)
    with (
        recorded(Action("backup restore", backup.name, None, {"to": until})),
        state.locked(),
        console.status("verifying and copying") as line,
    ):
        kept = restore_backup(
            backup, state, time, lambda last: line.update(f"replayed until {date_time(last.astimezone(UTC))}Z")
        )
    console.print("restored" if kept is None else f"restored; the data before it is in {kept}", soft_wrap=True)
    console.print("next: `ordermesh up`, `ordermesh backup create`, `ordermesh verify`", soft_wrap=True)
