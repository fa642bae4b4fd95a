"""The archive of the write-ahead log: pg_receivewal, with a slot by which the server keeps what is not archived yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from runtime.postgres.connections import connect
from runtime.postgres.queries import Queries
from stack.backup.backup_folder import BackupFolder, Chain, Cluster
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process
from stack.processes.runners import Server, await_ready
from stack.processes.server_account import server_account
from stack.servers.credentials import BACKUP
from stack.servers.databases import create_role
from stack.servers.postgres import Postgres

SQL = Queries("stack.backup", "archive.sql")
SLOT = {"slot": "ordermesh_backup"}
LOST = "lost"
# Above what arrives between two reports of pg_receivewal, of which there is one a second.
LAGGING_BYTES = 64 * 1024 * 1024
APPLICATION = "ordermesh-backup"


@dataclass(frozen=True)
class Slot:
    """The slot: whether the server had to remove log of it, whether somebody receives, and the bytes it keeps."""

    wal_status: str
    receives: bool
    kept_bytes: int


@dataclass(frozen=True)
class Health:
    """Whether the archive works, and what is to be done."""

    works: bool
    detail: str


class WalArchive(Server):
    """Receives the log of the local PostgreSQL into the chain of its timeline, as the server writes it."""

    def __init__(self, server: Postgres, folder: Callable[[], BackupFolder], log: LogFile) -> None:
        self._server = server
        self._folder = folder
        self.log = log

    def start(self) -> None:
        """Make the role, the slot and the chain that are missing, and start receiving. Raises StackError."""
        chain = self._chain()
        account, binaries = server_account(self._server.folder), self._server.binaries()
        receive = f"--directory={chain.wal}", f"--slot={SLOT['slot']}", "--synchronous", "--status-interval=1"
        command = Command(
            "pg_receivewal",
            [binaries.program("pg_receivewal"), *receive, "--no-password"],
            self._server.client_env(BACKUP, APPLICATION),
            account,
            Confinement(
                executable=confinement.paths(*binaries.folders),
                writable=confinement.paths(chain.wal, self._server.socket_dir),
                bind_ports=(),
                connect_ports=(),
            ),
        )
        self._process = Process(command, self.log)
        self._process.start()

    def _chain(self) -> Chain:
        folder, account = self._folder(), server_account(self._server.folder)
        with connect(self._server.admin_dsn, APPLICATION, "transaction") as connection:
            create_role(connection, BACKUP, self._server.credentials.password(BACKUP))
            connection.execute(SQL.replicates)
            cluster, slot = identify(connection), slot_of(connection)
            chain = folder.chain_of(cluster)
            if chain is not None and slot is not None and slot.wal_status != LOST:
                return chain
            connection.execute(SQL.drop_slot, SLOT)
            chain = folder.begin_chain(cluster, datetime.now(UTC), account)
            connection.execute(SQL.create_slot, SLOT)
            return chain

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the log is received. Raises ServerFailed when the process ends or it is not in time."""
        await_ready(self._process, lambda: self.health().works, timeout_seconds)

    def health(self) -> Health:
        """Return whether the archive is complete and close behind the server, and what is to be done."""
        try:
            with connect(self._server.admin_dsn, APPLICATION) as connection:
                slot, cluster = slot_of(connection), identify(connection)
        except psycopg.Error:
            return Health(False, "PostgreSQL does not answer")
        if slot is None or slot.wal_status == LOST:
            return Health(False, "the archive has a gap: start the stack again, then `ordermesh backup create`")
        if not slot.receives or slot.kept_bytes > LAGGING_BYTES:
            return Health(False, f"{slot.kept_bytes:,} bytes of the log are not archived")
        chain = self._folder().chain_of(cluster)
        has_backup = chain is not None and bool(chain.backups())
        return Health(True, "" if has_backup else "no base backup yet: `ordermesh backup create`")


def identify(connection: psycopg.Connection) -> Cluster:
    """Return the cluster and its timeline."""
    (row,) = connection.execute(SQL.identify).fetchall()
    return Cluster(*row)


def slot_of(connection: psycopg.Connection) -> Slot | None:
    """Return the state of the slot, None when there is none."""
    row = connection.execute(SQL.slot_state, SLOT).fetchone()
    return None if row is None else Slot(*row)


def release(admin_dsn: str) -> None:
    """Drop the slot of an archive that is no longer in use, for which the server would keep its log."""
    with suppress(psycopg.Error), connect(admin_dsn, APPLICATION) as connection:
        connection.execute(SQL.drop_slot, SLOT)
