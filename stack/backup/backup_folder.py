"""The folder of backups: chains of base backups with the write-ahead log since the first of them.

CHAIN/                    a cluster on one timeline, with a log without gaps
    chain.json
    wal/                  the archive of the log
    backup-20261127T060000Z/
        backup.json       what it is; written last
        base/             the base backup, as pg_basebackup writes it
        state.tar         passwords, keys and certificates of the state folder
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from runtime.settings import PREFIX
from stack.errors import SettingInvalid
from stack.machine.files import PASSABLE, PRIVATE, make_folder, write_private
from stack.processes.server_account import Account, first_inaccessible, give

SETTING = f"{PREFIX}BACKUP_DIR"
CHAIN, BACKUP = "chain-", "backup-"
CHAIN_FILE, BACKUP_FILE = "chain.json", "backup.json"
TIME = "%Y%m%dT%H%M%SZ"
# A timeline, a number of log, a segment: 8 hexadecimal digits each.
SEGMENT_DIGITS = 24
PARTIAL = ".partial"


@dataclass(frozen=True)
class Cluster:
    """A cluster of PostgreSQL on one timeline."""

    system_identifier: str
    timeline: int


@dataclass(frozen=True)
class Backup:
    """A base backup: when it began and was consistent, the first segment that its recovery reads, and its size."""

    name: str
    began: datetime
    ended: datetime
    first_segment: str
    size_bytes: int
    chain: Chain

    @property
    def folder(self) -> Path:
        """The folder with its files."""
        return self.chain.folder / self.name

    @property
    def base(self) -> Path:
        """The folder of the base backup."""
        return self.folder / "base"

    @property
    def state(self) -> Path:
        """The archive of the state folder's small files."""
        return self.folder / "state.tar"

    def delete(self) -> None:
        """Delete it; one that is deleted in part is none."""
        (self.folder / BACKUP_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.folder)


@dataclass(frozen=True)
class Chain:
    """Base backups of one timeline and the log since the first of them, without gaps."""

    folder: Path
    cluster: Cluster

    @property
    def wal(self) -> Path:
        """The archive of the log."""
        return self.folder / "wal"

    def backups(self) -> list[Backup]:
        """Return the complete base backups, the oldest first."""
        return [read(path.parent, self) for path in sorted(self.folder.glob(f"{BACKUP}*/{BACKUP_FILE}"))]

    def segments(self) -> list[Path]:
        """Return the files of the log, the oldest first; the last one is incomplete while the log is received."""
        names = (path for path in self.wal.iterdir() if len(path.name.removesuffix(PARTIAL)) == SEGMENT_DIGITS)
        return sorted(names, key=lambda path: path.name)

    def archived_until(self) -> datetime | None:
        """Return when the log was last received, None without any."""
        files = self.segments()
        return datetime.fromtimestamp(files[-1].stat().st_mtime, UTC) if files else None

    def prune(self) -> int:
        """Delete the log before the oldest base backup; return the number of files."""
        kept = self.backups()
        old = [path for path in self.segments() if kept and path.name < kept[0].first_segment]
        for path in old:
            path.unlink()
        return len(old)


@dataclass(frozen=True)
class BackupFolder:
    """The folder that ORDERMESH_BACKUP_DIR names."""

    folder: Path

    @classmethod
    def prepared(cls, folder: Path, account: Account | None) -> BackupFolder:
        """Return the folder, which the account of PostgreSQL can enter; make it if necessary. Raises SettingInvalid."""
        found = folder.expanduser().absolute()
        make_folder(found, PRIVATE if account is None else PASSABLE, SETTING)
        inaccessible = first_inaccessible(found / CHAIN, account) if account is not None else None
        if inaccessible is not None and account is not None:
            raise SettingInvalid(
                f"uid {account.uid}, which PostgreSQL runs as, has no access to {inaccessible}: "
                f"set {SETTING} to a folder that it can enter (such as /var/backups/ordermesh)"
            )
        return cls(found)

    def chains(self) -> list[Chain]:
        """Return the chains, the oldest first."""
        return [Chain(path.parent, read_cluster(path)) for path in sorted(self.folder.glob(f"{CHAIN}*/{CHAIN_FILE}"))]

    def chain_of(self, cluster: Cluster) -> Chain | None:
        """Return the newest chain of a cluster."""
        return next((chain for chain in reversed(self.chains()) if chain.cluster == cluster), None)

    def begin_chain(self, cluster: Cluster, now: datetime, account: Account | None) -> Chain:
        """Make a chain for the account of PostgreSQL to write to."""
        chain = Chain(self.folder / f"{CHAIN}{now:{TIME}}", cluster)
        for folder in (chain.folder, chain.wal):
            give(folder, account, PRIVATE)
        write_private(chain.folder / CHAIN_FILE, json.dumps(asdict(cluster)) + "\n")
        return chain

    def backups(self) -> list[Backup]:
        """Return the base backups of all chains, the oldest first."""
        return [backup for chain in self.chains() for backup in chain.backups()]

    def prune(self, keep: int) -> list[Backup]:
        """Delete all but the newest base backups, and the log that none of them needs; return what was deleted."""
        found = self.backups()
        deleted = found[: max(0, len(found) - keep)]
        for backup in deleted:
            backup.delete()
        for chain in self.chains()[:-1]:
            if not chain.backups():
                shutil.rmtree(chain.folder)
        for chain in self.chains():
            chain.prune()
        return deleted


def read_cluster(path: Path) -> Cluster:
    """Read which cluster a chain is of. Raises SettingInvalid."""
    known = checked(path, ("system_identifier", "timeline"))
    return Cluster(str(known["system_identifier"]), int(str(known["timeline"])))


def read(folder: Path, chain: Chain) -> Backup:
    """Read a base backup's file. Raises SettingInvalid."""
    known = checked(folder / BACKUP_FILE, ("began", "ended", "first_segment", "size_bytes"))
    began, ended = (datetime.fromisoformat(str(known[name])) for name in ("began", "ended"))
    return Backup(folder.name, began, ended, str(known["first_segment"]), int(str(known["size_bytes"])), chain)


def checked(path: Path, names: tuple[str, ...]) -> dict[str, object]:
    """Read a file of ours with exactly these fields. Raises SettingInvalid."""
    try:
        known = json.loads(path.read_text())
        if isinstance(known, dict) and set(known) == set(names):
            return known
        problem = f"it must contain {', '.join(names)}"
    except (OSError, ValueError) as error:
        problem = str(error)
    raise SettingInvalid(f"{path} is not a file of a backup: {problem}; move its folder out of {SETTING}")


def describe(backup: Backup) -> dict[str, object]:
    """Return what a base backup's file contains."""
    return {
        "began": backup.began.isoformat(),
        "ended": backup.ended.isoformat(),
        "first_segment": backup.first_segment,
        "size_bytes": backup.size_bytes,
    }
