"""Debian packages with what they need, downloaded by apt and unpacked into the cache: nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from stack.errors import DownloadFailed, ServerMissing
from stack.machine.files import PUBLIC, put_in_place
from stack.machine.paths import default_cache

APT, UNPACK = "apt-get", "dpkg"
APT_SECONDS = 300.0
# Another apt may run, and a person may not lock what belongs to root.
OPTIONS = ("-q", "-o", "Debug::NoLocking=1")
# As if nothing were installed: files that a program finds beside itself must be unpacked beside it.
NOTHING_INSTALLED = ("-o", "Dir::State::status=/dev/null")
BESIDE_ITSELF = ("libjs-", "fonts-", "node-")
# A line of `apt-get --print-uris`: 'ADDRESS' FILE SIZE ALGORITHM:DIGEST. apt verifies digests by the signed lists.
DOWNLOAD = re.compile(r"^'[^']*' (?P<package>[^_ ]+)_\S* (?P<size>\d+) ", re.MULTILINE)
Told = Callable[[str], None]


def cached(package: str, cache: Path | None = None) -> Path | None:
    """Return the folder that a package is unpacked in, None when it must be downloaded."""
    folder = folder_of(package, cache or default_cache())
    return folder if folder.is_dir() else None


def folder_of(package: str, cache: Path) -> Path:
    """Return the folder of a package; it is Debian's of this machine, for whose libraries it is made."""
    return cache / "debian" / f"{package}-{release()}"


def release() -> str:
    """Return the name and version of this distribution, as in `debian-12`."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "linux"
    known = dict(re.findall(r'^(ID|VERSION_ID)="?([\w.-]+)"?$', text, re.MULTILINE))
    return "-".join(filter(None, (known.get("ID"), known.get("VERSION_ID"))))


def available() -> bool:
    """Return whether this machine has apt."""
    return shutil.which(APT) is not None and shutil.which(UNPACK) is not None


def ensure(
    package: str,
    cache: Path | None = None,
    tell: Told = lambda text: None,
    finish: Callable[[Path], None] = lambda folder: None,
) -> Path:
    """Return the folder of a package, after downloading it the first time; `tell` gets what is downloaded.

    `finish` gets the unpacked folder before anybody uses it. Blocks. Raises ServerMissing without apt, DownloadFailed.
    """
    if found := cached(package, cache):
        return found
    if not available():
        raise ServerMissing(f"{package} cannot be downloaded: this machine has no {APT}")
    target = folder_of(package, cache or default_cache())
    target.parent.mkdir(mode=PUBLIC, parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{package}-", dir=target.parent))
    try:
        # Of root, apt downloads as an account of its own.
        work.chmod(PUBLIC)
        fresh = unpacked(package, work, tell)
        finish(fresh)
        put_in_place(fresh, target)
    except (OSError, subprocess.SubprocessError) as error:
        raise DownloadFailed(f"the Debian package {package} cannot be downloaded: {reason(error)}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def unpacked(package: str, work: Path, tell: Told) -> Path:
    """Download a package with what is missing into a folder, and unpack it there. Raises OSError, SubprocessError."""
    options = (*OPTIONS, *lists(package, work))
    sizes = downloads(package, options)
    all_of_it = downloads(package, (*options, *NOTHING_INSTALLED))
    sizes |= {name: size for name, size in all_of_it.items() if name == package or name.startswith(BESIDE_ITSELF)}
    tell(f"Debian's {package} with {len(sizes) - 1} packages it needs, {sum(sizes.values()) / 1e6:.0f} MB")
    debs, fresh = work / "debs", work / "unpacked"
    for folder in (debs, fresh):
        folder.mkdir(mode=PUBLIC)
    apt(("download", *sorted(sizes)), options, debs)
    for deb in sorted(debs.glob("*.deb")):
        run([UNPACK, "-x", str(deb), str(fresh)], work)
    fresh.chmod(PUBLIC)
    return fresh


def lists(package: str, work: Path) -> tuple[str, ...]:
    """Return options with which apt knows the package: with lists of ours where it has none, as in a new container."""
    if apt_knows(package):
        return ()
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    own = ("-o", f"Dir::State::lists={work}/lists", "-o", f"Dir::Cache={work}/cache")
    apt(("update",), (*OPTIONS, *own), work)
    return own


def apt_knows(package: str) -> bool:
    """Return whether the lists of this machine have the package."""
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, timeout=APT_SECONDS, check=False)
    return shown.returncode == 0


def downloads(package: str, options: Sequence[str]) -> dict[str, int]:
    """Return the size of each package that an installation would download, by name."""
    wanted = ("--no-install-recommends", "--print-uris", "-y", "install", package)
    return {found["package"]: int(found["size"]) for found in DOWNLOAD.finditer(apt(wanted, options, Path("/")))}


def apt(arguments: Iterable[str], options: Sequence[str], folder: Path) -> str:
    """Run apt-get in a folder and return its output."""
    return run([APT, *options, *arguments], folder)


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return its output. Raises OSError, SubprocessError."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=APT_SECONDS, check=True
    )
    return done.stdout


def reason(error: Exception) -> str:
    """Return the last line that a failed command wrote, or the error."""
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1] if lines else str(error)
