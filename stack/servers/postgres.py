"""A PostgreSQL 18 server on a Unix socket, and on TCP where that is set, with its cluster in the state folder."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from runtime.postgres.connections import connect
from stack.errors import SettingInvalid
from stack.machine import ports
from stack.machine.files import PRIVATE, SHARED, write_private
from stack.machine.paths import default_cache
from stack.machine.state_folder import StateFolder
from stack.processes import confinement, proc
from stack.processes.confinement import Confinement
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process, inherited_env
from stack.processes.runners import Server, await_ready
from stack.processes.server_account import (
    SERVICES,
    Account,
    first_inaccessible,
    give,
    own_account,
    owner_of,
    server_account,
    take_over,
)
from stack.servers.credentials import BACKUP, SUPERUSER, Credentials, load_or_create
from stack.servers.postgres_binaries import Binaries, locate

INITDB_SECONDS = 60.0
LEFTOVER_SECONDS = 10.0
# Of parallel queries.
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # the memory, not a place for files
SETTINGS: dict[str, str] = {
    # The folder of the socket is closed to others; a process that may pass any folder is stopped by the socket itself.
    "unix_socket_permissions": "0770",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "pglz",
    "min_wal_size": "128MB",
    "max_wal_size": "1GB",
    # Of the log that an archive has not received: without a limit, a full disk there would fill this one.
    "max_slot_wal_keep_size": "4GB",
    "checkpoint_timeout": "10min",
    "random_page_cost": "1.1",
    "jit": "off",
    # The outbox and the metrics are updated continuously: a minute would leave too many dead rows.
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Without the names of role and database: PostgreSQL writes them as the client sent them, with newlines.
    "log_line_prefix": "%m [%p] %q%a ",
    # Neither values of rows nor statements, which may contain some: docs/decisions/0036-logs.md.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}

# Whoever reaches the port holds a connection for this long before the password is checked.
OVER_TCP = {"authentication_timeout": "5s"}


class Postgres(Server):
    """Runs the server, and creates its cluster before the first start; as root, under an unprivileged account."""

    def __init__(
        self,
        folder: Path,
        run_dir: Path,
        port: int,
        log: LogFile,
        credentials: Credentials,
        cache: Path | None = None,
        *,
        listen: str = "",
    ) -> None:
        """`port` is in the name of the socket; `listen` is an address for TCP as well, none by default."""
        self.folder = folder
        self.port = port
        self.listen = listen
        self.socket_dir = run_dir / "pg"
        self.credentials = credentials
        self.log = log
        self._cache = cache or default_cache()

    @classmethod
    def alone(cls, state: StateFolder, credentials: Credentials | None = None, *, listen: str = "") -> Postgres:
        """Return the server of a state folder on a free port, for use without a stack."""
        log, own = LogFile(state.logs / "postgres.log"), credentials or load_or_create(state.credentials)
        return cls(state.postgres, state.run_dir(), ports.allocate(1)[0], log, own, listen=listen)

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The path of the Unix socket."""
        return self.socket_dir / f".s.PGSQL.{self.port}"

    @property
    def access_rules(self) -> Path:
        """The file of who may connect, written at each start."""
        return self.folder / "pg_hba.conf"

    @property
    def admin_dsn(self) -> str:
        """The superuser's connection URI over the Unix socket."""
        return self.dsn(SUPERUSER)

    def dsn(self, role: str) -> str:
        """Return the connection URI of a role over the Unix socket."""
        return self.credentials.dsn(role, str(self.socket_dir), self.port)

    def binaries(self) -> Binaries:
        """Return the programs of the server, which its account can run."""
        return locate(server_account(self.folder), self._cache)

    def client_env(self, role: str, application: str) -> dict[str, str]:
        """Return the environment of a program that connects as a role; the password is not in its command line."""
        where = {"PGHOST": str(self.socket_dir), "PGPORT": str(self.port)}
        who = {"PGUSER": role, "PGPASSWORD": self.credentials.password(role), "PGAPPNAME": application}
        return server_env() | where | who

    def start(self) -> None:
        """Start the server, with initdb before the first start. Raises PortTaken, SettingInvalid or ServerFailed."""
        account = server_account(self.folder)
        self._prepare_folders(account)
        binaries = self.binaries()
        if not self.data.exists():
            self._initialise(binaries, account)
        clear_leftovers(self.data, self.socket_dir)
        if self.listen:
            ports.require_free({"PostgreSQL": self.port})
        self._process = Process(self._command(binaries, account), self.log)
        self._process.start()

    def _prepare_folders(self, account: Account | None) -> None:
        give(self.folder, account, PRIVATE)
        # The services reach the socket by the group of the folder.
        services = own_account(SERVICES)
        give(self.socket_dir, account, PRIVATE if services is None else SHARED, services)
        data_owner = owner_of(self.data)
        if account is not None and data_owner is not None and data_owner.uid != account.uid:
            take_over(self.folder, account)
        inaccessible = first_inaccessible(self.folder, account) if account else None
        if inaccessible is not None and account is not None:
            raise SettingInvalid(
                f"PostgreSQL refuses to run as root, so it runs as uid {account.uid}, "
                f"which has no access to {inaccessible}: set ORDERMESH_HOME to a folder that it can access "
                f"(such as /var/lib/ordermesh)"
            )
        write_private(self.access_rules, access_rules(self.listen))
        if account is not None:
            os.chown(self.access_rules, account.uid, account.gid, follow_symlinks=False)

    def _initialise(self, binaries: Binaries, account: Account | None) -> None:
        fresh, password_file = self.folder / "data.new", self.folder / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, self.credentials.password(SUPERUSER).encode())
            if account is not None:
                os.fchown(descriptor, account.uid, account.gid)
            initdb = Process(
                Command("initdb", initdb_argv(binaries, fresh, password_file), server_env(), account), self.log
            )
            initdb.start()
            if not initdb.wait(INITDB_SECONDS) or initdb.returncode != 0:
                initdb.kill()
                raise initdb.failure("failed")
        finally:
            os.close(descriptor)
            password_file.unlink(missing_ok=True)
        os.rename(fresh, self.data)

    def _command(self, binaries: Binaries, account: Account | None) -> Command:
        own = {
            "listen_addresses": self.listen,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "hba_file": str(self.access_rules),
        }
        settings = SETTINGS | own | (OVER_TCP if self.listen else {})
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            "PostgreSQL",
            [binaries.program("postgres"), "-D", str(self.data), *arguments],
            server_env(),
            account,
            self._confinement(binaries),
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            stop_seconds=30.0,
            clean_codes=frozenset({0}),
        )

    def _confinement(self, binaries: Binaries) -> Confinement:
        return Confinement(
            readable=confinement.paths(self.access_rules),
            executable=confinement.paths(*binaries.folders),
            writable=(*confinement.paths(self.data, self.socket_dir), SHARED_MEMORY),
            bind_ports=(self.port,) if self.listen else (),
        )

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until the server answers a query. Raises ServerFailed when it ends or does not in time."""
        await_ready(self._process, self.answers, timeout_seconds)

    def answers(self) -> bool:
        """Return whether the server answers a query now."""
        try:
            with connect(self.admin_dsn, "ordermesh-probe") as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def pings(self) -> bool:
        """Return whether the server accepts connections now, without a session; blocks for two seconds at most."""
        target = make_conninfo(host=str(self.socket_dir), port=str(self.port), connect_timeout="2")
        return PGconn.ping(target.encode()) == Ping.OK


def access_rules(listen: str) -> str:
    """Return pg_hba.conf: over the socket, and over TCP if it is on, with a password; nothing else is allowed."""
    rules = [
        "local all all scram-sha-256",
        # For pg_basebackup and pg_receivewal.
        f"local replication {SUPERUSER},{BACKUP} scram-sha-256",
        *(["host all all all scram-sha-256"] if listen else []),
        "local all all reject",
        "host all all all reject",
    ]
    return "".join(f"{rule}\n" for rule in rules)


def server_env() -> dict[str, str]:
    """Return the environment of PostgreSQL's programs, whose messages must not depend on the user's language."""
    return inherited_env() | {"LC_ALL": "C", "TZ": "UTC"}


def initdb_argv(binaries: Binaries, data: Path, password_file: Path) -> list[str]:
    """Return the command line that creates a cluster."""
    options = {
        "--pgdata": str(data),
        "--username": SUPERUSER,
        "--pwfile": str(password_file),
        "--auth": "scram-sha-256",
        "--encoding": "UTF8",
        "--locale": "C",
        "--locale-provider": "builtin",
        "--builtin-locale": "C.UTF-8",
    }
    return [binaries.program("initdb"), "--data-checksums", *(f"{name}={value}" for name, value in options.items())]


def clear_leftovers(data: Path, socket_dir: Path) -> None:
    """End processes that an earlier stack left running on this cluster, and delete its lock files."""
    proc.end_all(lambda: proc.working_in(data, "postgres"), signal.SIGINT, LEFTOVER_SECONDS)
    for path in (data / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)
