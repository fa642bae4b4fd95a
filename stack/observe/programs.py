"""Finds the programs that are no package of Python: on PATH, else as Debian packages in the cache."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from stack.downloads import debian
from stack.downloads.debian import Told
from stack.errors import StackError

# Programs of administrators are not on everybody's PATH.
FURTHER = ("/usr/sbin", "/sbin")
WORKING_DIRECTORY = "/proc/self/cwd"


@dataclass(frozen=True)
class Found:
    """A program; `share` is the folder of its further files, None where the program knows it."""

    path: Path
    share: Path | None = None


def on_path(name: str) -> Path | None:
    """Return where a program of this machine is, None without it."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *FURTHER)))
    return None if found is None else Path(found).resolve()


@dataclass(frozen=True)
class Wanted:
    """A program by its name, the Debian package that contains it under its own name, and a folder of that package.

    `built_in` is the path of the folder, if the program can be told no other one.
    """

    name: str
    package: str
    share: str = ""
    built_in: str = ""

    def find(self, cache: Path | None = None) -> Found | None:
        """Return the program, None when it is neither on PATH nor in the cache."""
        if own := on_path(self.name) or on_path(self.package):
            return Found(own)
        folder = debian.cached(self.package, cache)
        if folder is None:
            return None
        return Found(folder / "usr/bin" / self.package, folder / self.share if self.share else None)

    def fetch(self, tell: Told = lambda text: None, cache: Path | None = None) -> str:
        """Download the package unless the program is there; return why that failed, an empty string otherwise."""
        if self.find(cache) is None:
            try:
                debian.ensure(self.package, cache, tell, self._relocate)
            except StackError as error:
                return str(error)
        return ""

    def _relocate(self, folder: Path) -> None:
        """Have an unpacked program look for its files in its working directory instead of a path of the system.

        As other package managers that install without root do: the new path is as long as the old one.
        """
        if self.built_in:
            path = folder / "usr/bin" / self.package
            here = WORKING_DIRECTORY.ljust(len(self.built_in), "/")
            path.write_bytes(path.read_bytes().replace(self.built_in.encode(), here.encode()))


PROMETHEUS = Wanted("prometheus", "prometheus", "usr/share/prometheus/web")
ALERTMANAGER = Wanted(
    "alertmanager",
    "prometheus-alertmanager",
    "usr/share/prometheus/alertmanager",
    built_in="/usr/share/prometheus/alertmanager",
)
NODE_EXPORTER = Wanted("node_exporter", "prometheus-node-exporter")
POSTGRES_EXPORTER = Wanted("postgres_exporter", "prometheus-postgres-exporter")
