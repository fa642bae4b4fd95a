"""The state folder of a stack: its files, its lock, and its folder of sockets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack.errors import SettingInvalid, StateInUse
from stack.machine.files import PASSABLE, PRIVATE, make_folder, write_private
from stack.machine.paths import HOME_SETTING

# Levels are no secret, and other accounts do not reach the folder of a person.
READABLE = 0o644
# The path of a Unix socket has at most 107 bytes; the longest name in the run folder takes 40 of them.
RUN_DIR_BYTES = 64
# Keys of callers and of the stack's own commands, and what Envoy reads of them.
IDENTITY = ("keys.json", "keys.lock", "keys.revocations", "operator-key", "token-key", "envoy")
# Without these, the databases are of no use to another machine: passwords of roles, keys of callers, certificates.
KEPT_WITH_BACKUPS = ("credentials.json", "certificates", *IDENTITY)
# The contents of a state folder besides its lock.
CONTENTS = (
    "postgres",
    "kafka",
    "logs",
    "observe",
    "envoy.yaml",
    "envoy-tls",
    "certificates",
    "front-ca.pem",
    "credentials.json",
    "run-dir",
    "stack.json",
    "open-dashboard.html",
    "audit-spool.jsonl",
    "log-level",
    *IDENTITY,
)


@dataclass(frozen=True)
class StateFolder:
    """The state folder; creating an instance creates the folder."""

    home: Path

    def __post_init__(self) -> None:
        # Root's must be passable for the accounts of the servers; each file in it is private.
        make_folder(self.home, PASSABLE if os.geteuid() == 0 else PRIVATE, HOME_SETTING)
        require_own(self.home)

    @property
    def logs(self) -> Path:
        """The folder of log files, one for each component."""
        # Passable for root's Envoy, which opens its access log itself; each file is private.
        folder = make_folder(self.home / "logs", PRIVATE, HOME_SETTING)
        if os.geteuid() == 0 and stat.S_IMODE(folder.stat().st_mode) != PASSABLE:
            for path in folder.iterdir():
                path.chmod(0o600)
            folder.chmod(PASSABLE)
        return folder

    @property
    def postgres(self) -> Path:
        """The folder of the PostgreSQL cluster."""
        return self.home / "postgres"

    @property
    def kafka(self) -> Path:
        """The folder of the Kafka log and its configuration."""
        return make_folder(self.home / "kafka", PRIVATE, HOME_SETTING)

    @property
    def observe(self) -> Path:
        """The folder of what `--observe` starts: a folder for each program."""
        return make_folder(self.home / "observe", PASSABLE if os.geteuid() == 0 else PRIVATE, HOME_SETTING)

    @property
    def credentials(self) -> Path:
        """The file of generated passwords."""
        return self.home / "credentials.json"

    @property
    def certificates(self) -> Path:
        """The folder of the stack's own certificate authority."""
        return self.home / "certificates"

    @property
    def api_keys(self) -> Path:
        """The registry of API keys."""
        return self.home / "keys.json"

    @property
    def operator_key(self) -> Path:
        """The key of the stack's own commands."""
        return self.home / "operator-key"

    @property
    def token_key(self) -> Path:
        """The key that signs the stack's own tokens."""
        return self.home / "token-key"

    @property
    def envoy(self) -> Path:
        """The folder of the files that Envoy reads again while it runs."""
        return make_folder(self.home / "envoy", PRIVATE, HOME_SETTING)

    @property
    def envoy_keys(self) -> Path:
        """Envoy's file of API keys."""
        return self.envoy / "keys.json"

    @property
    def audit_spool(self) -> Path:
        """The entries of the audit log that wait for the database."""
        return self.home / "audit-spool.jsonl"

    @property
    def log_level(self) -> Path:
        """The levels of loggers, which services read again when they change."""
        return self.home / "log-level"

    def write_log_level(self, levels: str) -> None:
        """Write the levels of loggers in place: the services may read this file, not another one of its name."""
        with self.log_level.open("w") as file:
            self.log_level.chmod(READABLE)
            file.write(f"{levels}\n")

    @property
    def front_authority(self) -> Path:
        """The authority of the front proxy's certificate; no such file when it is not the stack's own."""
        return self.home / "front-ca.pem"

    @property
    def status(self) -> Path:
        """The status file."""
        return self.home / "stack.json"

    def clear(self) -> list[str]:
        """Delete the contents of the folder and nothing else; return what existed. Requires the lock."""
        existing = [name for name in CONTENTS if (self.home / name).exists()]
        for path in (self.home / name for name in existing):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return existing

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the state folder for one stack. Raises StateInUse when another one uses it."""
        descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            os.close(descriptor)
            raise StateInUse(
                f"a stack with the state folder {self.home} is already running (pid {holder}): "
                f"stop it with `ordermesh down`, or set {HOME_SETTING} to another folder"
            ) from error
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def run_dir(self) -> Path:
        """Return the folder of sockets, which has a short path; the recorded one if it is still ours."""
        record = self.home / "run-dir"
        if record.exists() and (known := Path(record.read_text().strip())) and is_own_folder(known):
            return known
        run_dir = Path(tempfile.mkdtemp(prefix="ordermesh-", dir=short_base()))
        if os.geteuid() == 0:
            run_dir.chmod(PASSABLE)
        write_private(record, f"{run_dir}\n")
        return run_dir


def short_base() -> str:
    """Return the folder for temporary files, /tmp when its path is too long for sockets or not accessible to others."""
    base = tempfile.gettempdir()
    short = len(os.fsencode(base)) <= RUN_DIR_BYTES - len("/ordermesh-xxxxxxxx")
    return base if short and os.stat(base).st_mode & 0o001 else "/tmp"  # noqa: S108  # mkdtemp creates our folder in it


def require_own(home: Path) -> None:
    """Raise SettingInvalid for a folder that another account can change: it could put its own keys there."""
    status = home.stat()
    if status.st_uid != os.geteuid():
        raise SettingInvalid(f"{home} belongs to uid {status.st_uid}: set {HOME_SETTING} to a folder of your own")
    if status.st_mode & 0o022:
        raise SettingInvalid(
            f"other accounts may write to {home}: `chmod go-w {home}`, or set {HOME_SETTING} to another folder"
        )


def is_own_folder(folder: Path) -> bool:
    """Return whether a folder exists, is not a link, and is writable for us alone."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid() and not status.st_mode & 0o022


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """Create a state folder that PostgreSQL's account can access; delete it and its folder of sockets on exit."""
    home = Path(tempfile.mkdtemp(prefix="om-", dir=short_base()))
    if os.geteuid() == 0:
        home.chmod(PASSABLE)
    try:
        yield home
    finally:
        record = home / "run-dir"
        if record.exists():
            shutil.rmtree(record.read_text().strip(), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
