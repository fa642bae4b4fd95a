"""Which base backups and files of the log a folder has, and which of them are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.backup.backup_folder import BACKUP_FILE, Backup, BackupFolder, Chain, Cluster, describe
from stack.backup.base_backup import first_segment, newest_before
from stack.errors import SettingInvalid

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLUSTER = Cluster("7350000000000000000", 1)


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    return BackupFolder.prepared(tmp_path / "backups", None)


def add(chain: Chain, hour: int, segment: int) -> Backup:
    began = NOON + timedelta(hours=hour)
    name = f"backup-{began:%Y%m%dT%H%M%SZ}"
    backup = Backup(name, began, began + timedelta(minutes=1), f"{segment:024X}", 10, chain)
    backup.folder.mkdir()
    (backup.folder / BACKUP_FILE).write_text(json.dumps(describe(backup)))
    return backup


def receive(chain: Chain, *segments: int) -> None:
    for segment in segments:
        (chain.wal / f"{segment:024X}").touch()


def test_a_chain_is_of_one_cluster_and_timeline(folder: BackupFolder) -> None:
    chain = folder.begin_chain(CLUSTER, NOON, None)
    assert folder.chain_of(CLUSTER) == chain
    assert folder.chain_of(Cluster(CLUSTER.system_identifier, 2)) is None
    assert folder.chain_of(Cluster("1", 1)) is None
    newer = folder.begin_chain(CLUSTER, NOON + timedelta(hours=1), None)
    assert folder.chain_of(CLUSTER) == newer


def test_the_newest_backup_that_was_consistent_at_a_time_is_chosen(folder: BackupFolder) -> None:
    first, second = folder.begin_chain(CLUSTER, NOON, None), folder.begin_chain(CLUSTER, NOON + timedelta(days=1), None)
    early, late, other = add(first, 0, 1), add(first, 2, 3), add(second, 24, 1)
    found = folder.backups()
    assert found == [early, late, other]
    assert newest_before(found, None) == other
    assert newest_before(found, late.ended) == late
    assert newest_before(found, late.ended - timedelta(seconds=1)) == early
    assert newest_before(found, early.began) is None
    assert newest_before([], None) is None


def test_a_backup_that_is_not_complete_is_none(folder: BackupFolder) -> None:
    chain = folder.begin_chain(CLUSTER, NOON, None)
    (chain.folder / "backup-20261127T120000Z" / "base").mkdir(parents=True)
    assert folder.backups() == []


def test_pruning_keeps_the_log_that_the_kept_backups_need(folder: BackupFolder) -> None:
    old, chain = folder.begin_chain(CLUSTER, NOON, None), folder.begin_chain(CLUSTER, NOON + timedelta(hours=1), None)
    first, second, third = add(old, 0, 1), add(chain, 2, 3), add(chain, 4, 5)
    receive(old, 1, 2)
    receive(chain, 2, 3, 4, 5, 6)
    (chain.wal / "00000002.history").touch()
    assert folder.prune(keep=3) == []
    assert [path.name for path in old.segments()] == [f"{one:024X}" for one in (1, 2)]
    assert [path.name for path in chain.segments()] == [f"{one:024X}" for one in (3, 4, 5, 6)]
    assert folder.prune(keep=1) == [first, second]
    assert folder.chains() == [chain]
    assert not old.folder.exists()
    assert chain.backups() == [third]
    assert [path.name for path in chain.segments()] == [f"{one:024X}" for one in (5, 6)]
    assert (chain.wal / "00000002.history").exists()


def test_pruning_keeps_a_chain_that_has_no_backup_yet(folder: BackupFolder) -> None:
    chain = folder.begin_chain(CLUSTER, NOON, None)
    receive(chain, 1)
    folder.prune(keep=1)
    assert [path.name for path in chain.segments()] == [f"{1:024X}"]


@pytest.mark.parametrize(
    ("lsn", "segment"),
    [
        ("0/2000028", "000000010000000000000002"),
        ("0/FF000000", "0000000100000000000000FF"),
        ("1/0", "000000010000000100000000"),
        ("1A/BC123456", "000000010000001A000000BC"),
    ],
)
def test_the_first_file_of_the_log_is_named_as_the_server_names_it(tmp_path: Path, lsn: str, segment: str) -> None:
    # By the documentation: the timeline, then the position in units of 4 GiB and of 16 MiB, in hexadecimal.
    manifest = tmp_path / "backup_manifest"
    manifest.write_text(json.dumps({"WAL-Ranges": [{"Timeline": 1, "Start-LSN": lsn, "End-LSN": lsn}]}))
    assert first_segment(manifest) == segment


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"began": "x"}'])
def test_a_file_that_is_none_of_ours_is_named(folder: BackupFolder, content: str) -> None:
    chain = folder.begin_chain(CLUSTER, NOON, None)
    backup = add(chain, 0, 1)
    (backup.folder / BACKUP_FILE).write_text(content)
    with pytest.raises(SettingInvalid, match=f"{backup.name}/{BACKUP_FILE} is not a file of a backup"):
        folder.backups()
