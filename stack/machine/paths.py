"""Where the stack keeps things: state that survives, a cache that can be made again, sockets of one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack.errors import SettingInvalid, StateInUse

HOME_SETTING = "ORDERMESH_HOME"
PRIVATE, PASSABLE, PUBLIC = 0o700, 0o711, 0o755
# A Unix socket's path may have 107 bytes; the longest name in the run folder takes 40 of them.
RUN_DIR_BYTES = 64
# What a state folder holds beside its lock.
KEPT = ("postgres", "kafka", "logs", "envoy.yaml", "credentials.json", "run-dir", "stack.json")


def default_home() -> Path:
    """Return the state folder of this person, ORDERMESH_HOME when it is set."""
    chosen = os.environ.get(HOME_SETTING)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/ordermesh")
    return Path(os.environ.get("XDG_STATE_HOME") or person_home() / ".local/state") / "ordermesh"


def default_cache() -> Path:
    """Return the folder of what can be fetched or copied again; other users may read root's."""
    if os.geteuid() == 0:
        return Path("/var/cache/ordermesh")
    return Path(os.environ.get("XDG_CACHE_HOME") or person_home() / ".cache") / "ordermesh"


def person_home() -> Path:
    """Return the person's home folder."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise SettingInvalid(f"uid {os.geteuid()} has no home folder: set HOME, or {HOME_SETTING}") from error


def make_folder(path: Path, mode: int, setting: str) -> Path:
    """Create a folder of ours with mode, its parents as needed; one that is there keeps its permissions."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode)
        path.chmod(mode)
    except FileExistsError as error:
        if not path.is_dir():
            raise SettingInvalid(f"{path} is not a folder; set {setting} to one that can be written") from error
    except OSError as error:
        raise SettingInvalid(
            f"cannot create {path}: {error.strerror}; set {setting} to a folder that can be written"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingInvalid(f"{path} cannot be written by uid {os.geteuid()}; set {setting} to a folder that can")
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        # On a full disk every attempt would leave another one.
        os.unlink(name)
        raise


@dataclass(frozen=True)
class StateFolder:
    """Lays out the state folder; creating one creates the folder."""

    home: Path

    def __post_init__(self) -> None:
        # Root's must be passable for the unprivileged user that PostgreSQL runs as; each file in it is private.
        make_folder(self.home, PASSABLE if os.geteuid() == 0 else PRIVATE, HOME_SETTING)

    @property
    def logs(self) -> Path:
        """The folder of log files, one per component."""
        return make_folder(self.home / "logs", PRIVATE, HOME_SETTING)

    @property
    def postgres(self) -> Path:
        """The folder of the PostgreSQL cluster."""
        return self.home / "postgres"

    @property
    def kafka(self) -> Path:
        """The folder of the Kafka log and its configuration."""
        return make_folder(self.home / "kafka", PRIVATE, HOME_SETTING)

    @property
    def credentials(self) -> Path:
        """The file of generated passwords."""
        return self.home / "credentials.json"

    @property
    def status(self) -> Path:
        """The file that says what runs."""
        return self.home / "stack.json"

    def clear(self) -> list[str]:
        """Delete what a stack keeps here and nothing else; return what was there. Call it with the folder locked."""
        there = [name for name in KEPT if (self.home / name).exists()]
        for path in (self.home / name for name in there):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return there

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the state folder for one stack; raise StateInUse when another has it."""
        descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            os.close(descriptor)
            raise StateInUse(
                f"a stack with the state folder {self.home} runs already (pid {holder}): "
                f"stop it with `ordermesh down`, or set {HOME_SETTING} to another folder"
            ) from error
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def run_dir(self) -> Path:
        """Return the short folder of sockets, the recorded one while it is still ours."""
        record = self.home / "run-dir"
        if record.exists() and (known := Path(record.read_text().strip())) and is_ours(known):
            return known
        run_dir = Path(tempfile.mkdtemp(prefix="ordermesh-", dir=short_base()))
        if os.geteuid() == 0:
            run_dir.chmod(PASSABLE)
        write_private(record, f"{run_dir}\n")
        return run_dir


def short_base() -> str:
    """Return the folder for temporary files, /tmp when its path is too long for sockets or closed to other users."""
    base = tempfile.gettempdir()
    short = len(os.fsencode(base)) <= RUN_DIR_BYTES - len("/ordermesh-xxxxxxxx")
    return base if short and os.stat(base).st_mode & 0o001 else "/tmp"  # noqa: S108 - mkdtemp makes our folder in it


def is_ours(folder: Path) -> bool:
    """Say whether a folder exists, is no link, and belongs to us alone to write."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def put_in_place(fresh: Path, target: Path) -> None:
    """Rename a finished folder to its name; the first of several wins."""
    try:
        os.rename(fresh, target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(fresh)


def copy_into_place(source: Path, target: Path) -> None:
    """Copy a file to another folder for everyone to read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(descriptor)
    shutil.copyfile(source, name)
    os.chmod(name, 0o644)
    os.replace(name, target)


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """Make a state folder that PostgreSQL's user can reach, and remove it with its run folder in the end."""
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
