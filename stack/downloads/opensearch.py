"""OpenSearch with its security plugin, unpacked once for all stacks."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from stack.downloads.jar_sets import OPENSEARCH_ARCHIVES
from stack.downloads.jars import Progress
from stack.machine.files import PUBLIC, put_in_place
from stack.machine.paths import default_cache

PLUGIN, DESCRIPTOR = "opensearch-security", "plugin-descriptor.properties"
# The plugin names others of the full distribution, which encryption does not need.
REQUIRES = re.compile(r"^extended\.plugins=.*$", re.MULTILINE)


def cached(cache: Path | None = None) -> Path | None:
    """Return the folder of the distribution, None when it must be downloaded or unpacked."""
    archives = OPENSEARCH_ARCHIVES.cached(cache)
    folder = None if archives is None else unpacked_beside(archives)
    return folder if folder is not None and folder.is_dir() else None


def unpacked_beside(archives: Path) -> Path:
    """Return where the archives are unpacked."""
    return archives.with_name(f"{archives.name}-unpacked")


def ensure(cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> Path:
    """Return the folder of the distribution, after downloading and unpacking it the first time. Raises StackError."""
    cache = cache or default_cache()
    archives = OPENSEARCH_ARCHIVES.ensure(cache, progress)
    target = unpacked_beside(archives)
    if target.is_dir():
        return target
    work = Path(tempfile.mkdtemp(prefix=".opensearch-", dir=cache))
    try:
        distribution, plugin = sorted(archives.iterdir(), key=lambda path: path.name.startswith(PLUGIN))
        unpack(distribution, work)
        (fresh,) = work.iterdir()
        security = fresh / "plugins" / PLUGIN
        unpack(plugin, security)
        descriptor = (security / DESCRIPTOR).read_text()
        (security / DESCRIPTOR).write_text(REQUIRES.sub("", descriptor))
        fresh.chmod(PUBLIC)
        put_in_place(fresh, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
