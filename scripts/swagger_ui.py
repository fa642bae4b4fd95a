"""Updates the files of Swagger UI that the gateway serves from the npm package swagger-ui-dist, and locks them.

They are in the repository, so that neither the setup, the image nor the gateway needs npm.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "gateway" / "web" / "swagger_ui"
LOCK = "swagger-ui.lock"
PACKAGE = "swagger-ui-dist"
FILES = (
    "LICENSE",
    "NOTICE",
    "favicon-32x32.png",
    "swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui.css",
)


class LockError(Exception):
    """Files differ from what is locked."""


def main() -> int:
    """Update to a version, or check the files; return 1 when they differ from the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?", help="the version to update to; without it the files are checked")
    version = parser.parse_args().version
    try:
        if version:
            update(version, FOLDER)
        problems = differences(FOLDER)
    except LockError as error:
        problems = [str(error)]
    print("\n".join(problems) or f"{PACKAGE} {locked_version(FOLDER)}: {len(FILES)} files as locked")
    return 1 if problems else 0


def update(version: str, folder: Path) -> None:
    """Replace the files by those of a version, and lock them. Needs npm. Raises LockError."""
    with tempfile.TemporaryDirectory() as work:
        said = json.loads(npm(work, "view", f"{PACKAGE}@{version}", "dist.integrity", "--json"))
        npm(work, "pack", f"{PACKAGE}@{version}", "--silent")
        (archive,) = Path(work).glob("*.tgz")
        unpack(archive, said, version, folder)


def unpack(archive: Path, integrity: str, version: str, folder: Path) -> None:
    """Take the files from an archive of the package when it has this integrity. Raises LockError."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise LockError(f"{PACKAGE} {version} has the integrity {found}, expected {integrity}")
    with tarfile.open(archive) as package:
        for name in FILES:
            member = package.extractfile(f"package/{name}")
            if member is None:
                raise LockError(f"{PACKAGE} {version} has no file {name}")
            (folder / name).write_bytes(member.read())
    lines = [f"{PACKAGE}:{version}:{integrity}", *(f"{name}:{sha256(folder / name)}" for name in FILES)]
    (folder / LOCK).write_text("".join(f"{line}\n" for line in lines))


def differences(folder: Path) -> list[str]:
    """Return what differs between the files and their lock."""
    locked = dict(line.split(":") for line in (folder / LOCK).read_text().splitlines()[1:])
    there = {path.name for path in folder.iterdir()} - {LOCK}
    problems = [f"{name} is not locked" for name in sorted(there - locked.keys())]
    problems += [f"{name} is missing" for name in sorted(locked.keys() - there)]
    return problems + [
        f"{name} differs from the lock"
        for name in sorted(locked.keys() & there)
        if sha256(folder / name) != locked[name]
    ]


def locked_version(folder: Path) -> str:
    """Return the locked version."""
    return (folder / LOCK).read_text().split(":")[1]


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def npm(folder: str, *arguments: str) -> str:
    """Run npm in a folder and return what it prints."""
    # Our own arguments, and npm wherever it is installed.
    return subprocess.run(["npm", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


if __name__ == "__main__":
    sys.exit(main())
