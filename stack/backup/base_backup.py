"""Makes base backups of the running local PostgreSQL with pg_basebackup, and verifies them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from runtime.postgres.connections import connect
from stack.backup.backup_folder import BACKUP, BACKUP_FILE, TIME, Backup, BackupFolder, describe
from stack.backup.wal_archive import APPLICATION, SQL, identify
from stack.errors import ServerFailed
from stack.machine.files import PRIVATE, write_private
from stack.machine.state_folder import KEPT_WITH_BACKUPS, StateFolder
from stack.processes.process import POLL_SECONDS, Command, Process
from stack.processes.server_account import give, server_account
from stack.servers.credentials import SUPERUSER
from stack.servers.postgres import Postgres

# Bytes sent, and bytes in all, which grow while the server does.
Progress = Callable[[int, int], None]
MANIFEST = "backup_manifest"
SEGMENT_BITS = 24
PROGRESS_POLLS = 10


def create(server: Postgres, state: StateFolder, folder: BackupFolder, progress: Progress) -> Backup:
    """Make a base backup of a running server in the chain of its timeline. Raises StackError; then it left nothing."""
    account = server_account(server.folder)
    with connect(server.admin_dsn, APPLICATION) as connection:
        cluster = identify(connection)
    began = datetime.now(UTC)
    chain = folder.chain_of(cluster) or folder.begin_chain(cluster, began, account)
    fresh, final = chain.folder / f"new-{BACKUP}{began:{TIME}}", chain.folder / f"{BACKUP}{began:{TIME}}"
    give(fresh, account, PRIVATE)
    try:
        give(fresh / "base", account, PRIVATE)
        run(server, "pg_basebackup", arguments(fresh / "base"), lambda: report(server, progress))
        verify(fresh / "base")
        save_state(state, fresh / "state.tar")
        backup = Backup(
            final.name,
            began,
            datetime.now(UTC),
            first_segment(fresh / "base" / MANIFEST),
            sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file()),
            chain,
        )
        write_private(fresh / BACKUP_FILE, json.dumps(describe(backup), indent=2) + "\n")
        fresh.rename(final)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return backup


def arguments(target: Path) -> list[str]:
    """Return the options of pg_basebackup: with the log of its time, so that it can be restored without the archive."""
    form = "--format=plain", "--wal-method=stream", "--manifest-checksums=SHA256"
    return [f"--pgdata={target}", *form, "--checkpoint=fast", "--no-password"]


def verify(base: Path) -> None:
    """Compare the files of a base backup with its manifest. Raises ServerFailed with the first file that differs.

    pg_verifybackup does this too, but that of the installed package crashes, whatever it is asked.
    """
    for known in json.loads((base / MANIFEST).read_text())["Files"]:
        path = base / known["Path"]
        if not path.is_file() or digest_of(path) != known["Checksum"]:
            raise ServerFailed(f"{path} is not what was backed up: use another base backup")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(server: Postgres, program: str, options: list[str], meanwhile: Callable[[], None]) -> None:
    """Run a program of PostgreSQL under its account until it ends. Raises ServerFailed with its last messages."""
    process = Process(
        Command(
            program,
            [server.binaries().program(program), *options],
            server.client_env(SUPERUSER, APPLICATION),
            server_account(server.folder),
        ),
        server.log,
    )
    process.start()
    try:
        while not process.wait(PROGRESS_POLLS * POLL_SECONDS):
            meanwhile()
    finally:
        process.kill()
    if process.returncode != 0:
        raise process.failure("failed")


def report(server: Postgres, progress: Progress) -> None:
    """Report what the server says about the progress of base backups."""
    with connect(server.admin_dsn, APPLICATION) as connection:
        (row,) = connection.execute(SQL.progress).fetchall()
    progress(*row)


def first_segment(manifest: Path) -> str:
    """Return the name of the first file of the log that a recovery of this backup reads."""
    (first, *_) = json.loads(manifest.read_text())["WAL-Ranges"]
    high, low = (int(part, 16) for part in first["Start-LSN"].split("/"))
    number = (high << 32 | low) >> SEGMENT_BITS
    per_log = 32 - SEGMENT_BITS
    return f"{first['Timeline']:08X}{number >> per_log:08X}{number & ((1 << per_log) - 1):08X}"


def save_state(state: StateFolder, path: Path) -> None:
    """Save passwords, keys and certificates, without which the databases are of no use to a new machine."""
    path.touch(0o600)
    with tarfile.open(path, "w") as archive:
        for name in KEPT_WITH_BACKUPS:
            if (state.home / name).exists():
                archive.add(state.home / name, name)


def newest_before(backups: list[Backup], time: datetime | None) -> Backup | None:
    """Return the newest base backup that was consistent at a time, by default the newest."""
    return max(
        (each for each in backups if time is None or each.ended <= time), key=lambda one: one.ended, default=None
    )
