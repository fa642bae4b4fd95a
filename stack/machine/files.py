"""Creates folders and files: private ones, and atomically replaced ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from stack.errors import SettingInvalid

PRIVATE, PASSABLE, PUBLIC = 0o700, 0o711, 0o755
# For a group as well, which its files get (set-group-ID).
SHARED = 0o2750


def make_folder(path: Path, mode: int, setting: str) -> Path:
    """Create a folder and its parents; an existing one keeps its permissions. Raises SettingInvalid."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode)
        path.chmod(mode)
    except FileExistsError as error:
        if not path.is_dir():
            raise SettingInvalid(f"{path} is not a folder; set {setting} to a writable folder") from error
    except OSError as error:
        raise SettingInvalid(f"cannot create {path}: {error.strerror}; set {setting} to a writable folder") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingInvalid(f"{path} is not writable for uid {os.geteuid()}; set {setting} to a writable folder")
    return path


def write_private(path: Path, content: str | bytes, owner: tuple[int, int] | None = None) -> None:
    """Write a file atomically that only its owner can read: our account, or the uid and gid of another one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        # On a full disk, every attempt would leave another file.
        os.unlink(name)
        raise


def put_in_place(fresh: Path, target: Path) -> None:
    """Rename a finished folder to its final name; with several at once, the first is kept."""
    try:
        os.rename(fresh, target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(fresh)


def copy_into_place(source: Path, target: Path) -> None:
    """Copy a file atomically, readable for everyone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(descriptor)
    shutil.copyfile(source, name)
    os.chmod(name, 0o644)
    os.replace(name, target)
