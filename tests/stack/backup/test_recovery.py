"""A real server that is backed up while it runs, lost, and restored: to the end of its log, and to a time before."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from waiting import await_true

from stack.backup.backup_folder import BackupFolder
from stack.backup.base_backup import create, newest_before
from stack.backup.recovery import restore
from stack.backup.wal_archive import SQL, WalArchive, release
from stack.errors import ServerFailed
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.processes.runners import running
from stack.processes.server_account import server_account
from stack.servers.postgres import Postgres


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory, state: StateFolder) -> Iterator[StateFolder]:
    yield state
    state.clear()


@pytest.fixture
def folder(state: StateFolder) -> Iterator[BackupFolder]:
    path = state.home.with_name(f"{state.home.name}-backups")
    yield BackupFolder.prepared(path, server_account(state.postgres))
    shutil.rmtree(path)


def archive_of(server: Postgres, folder: BackupFolder, state: StateFolder) -> WalArchive:
    return WalArchive(server, lambda: folder, LogFile(state.logs / "wal-archive.log"))


def add(server: Postgres, number: int) -> datetime:
    """Store a number; return a time after that, before which nothing else is stored."""
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])
        row = connection.execute("SELECT clock_timestamp() FROM pg_sleep(0.01)").fetchone()
        assert row is not None
        return row[0]


def kept(server: Postgres) -> list[int]:
    with psycopg.connect(server.admin_dsn) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM kept ORDER BY number")]


def all_archived(server: Postgres) -> bool:
    with psycopg.connect(server.admin_dsn) as connection:
        row = connection.execute(
            "SELECT flush_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication WHERE flush_lsn IS NOT NULL"
        ).fetchone()
    return row == (True,)


def backed_up_and_lost(state: StateFolder, folder: BackupFolder) -> list[datetime]:
    """Back up a server between the first and the second of three rows, and kill it; return the times of the rows."""
    with running(Postgres.alone(state)) as server, running(archive_of(server, folder, state)) as archive:
        assert archive.health().detail == "no base backup yet: `ordermesh backup create`"
        times, sizes = [add(server, 1)], []
        create(server, state, folder, lambda done, total: sizes.append((done, total)))
        assert archive.health() == archive.health().__class__(True, "")
        times += [add(server, 2), add(server, 3)]
        await_true(lambda: all_archived(server), "the archive has everything")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert server.process is not None
        assert server.process.wait(10)
    return times


def restored(state: StateFolder, folder: BackupFolder, time: datetime | None = None) -> Path | None:
    backup = newest_before(folder.backups(), time)
    assert backup is not None
    return restore(backup, state, time, lambda last: None)


def test_everything_archived_is_there_after_the_folder_of_the_stack_is_lost(
    state: StateFolder, folder: BackupFolder
) -> None:
    backed_up_and_lost(state, folder)
    passwords = state.credentials.read_text()
    state.clear()
    assert restored(state, folder) is None
    assert state.credentials.read_text() == passwords
    with running(Postgres.alone(state)) as server:
        assert kept(server) == [1, 2, 3]


def test_the_databases_are_as_they_were_at_a_time_and_go_on_from_there(
    state: StateFolder, folder: BackupFolder
) -> None:
    times = backed_up_and_lost(state, folder)
    before = restored(state, folder, times[1])
    assert before is not None
    assert (before / "PG_VERSION").exists()
    with running(Postgres.alone(state)) as server:
        assert kept(server) == [1, 2]
        # The archive goes on with the new timeline, in a chain that needs a base backup of its own.
        with running(archive_of(server, folder, state)) as archive:
            assert "no base backup yet" in archive.health().detail
            first, second = folder.chains()
            assert (first.cluster.timeline, second.cluster.timeline) == (1, 2)
            assert first.cluster.system_identifier == second.cluster.system_identifier
            create(server, state, folder, lambda done, total: None)
            time = add(server, 4)
            add(server, 5)
            await_true(lambda: all_archived(server), "the archive has everything")
    restored(state, folder, time)
    with running(Postgres.alone(state)) as server:
        assert kept(server) == [1, 2, 4]


def test_a_time_that_the_archive_does_not_reach_changes_nothing(state: StateFolder, folder: BackupFolder) -> None:
    backed_up_and_lost(state, folder)
    data = state.postgres / "data"
    node = data.stat().st_ino
    with pytest.raises(ServerFailed, match="the archived log has nothing after"):
        restored(state, folder, datetime.now(UTC) + timedelta(days=1))
    assert data.stat().st_ino == node
    assert sorted(path.name for path in state.postgres.iterdir()) == ["data", "pg_hba.conf"]
    with running(Postgres.alone(state)) as server:
        assert kept(server) == [1, 2, 3]


def test_a_base_backup_that_rotted_is_not_restored(state: StateFolder, folder: BackupFolder) -> None:
    backed_up_and_lost(state, folder)
    (backup,) = folder.backups()
    victim = next(path for path in sorted((backup.base / "base").rglob("*")) if path.is_file() and path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(ServerFailed, match=f"{victim.name} is not what was backed up"):
        restored(state, folder)


def has_no_slot(server: Postgres) -> bool:
    release(server.admin_dsn)
    with psycopg.connect(server.admin_dsn) as connection:
        return connection.execute(SQL.slot_state, {"slot": "ordermesh_backup"}).fetchone() is None


def test_an_archive_that_missed_a_part_of_the_log_begins_again(state: StateFolder, folder: BackupFolder) -> None:
    with running(Postgres.alone(state)) as server:
        with running(archive_of(server, folder, state)):
            (chain,) = folder.chains()
        with running(archive_of(server, folder, state)):
            assert folder.chains() == [chain]
        await_true(lambda: has_no_slot(server), "the server has noticed that nobody receives")
        with running(archive_of(server, folder, state)) as archive:
            assert len(folder.chains()) == 2
            assert archive.health().works
