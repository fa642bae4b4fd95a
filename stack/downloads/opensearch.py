"""The distribution of OpenSearch without plugins, unpacked once for all stacks, and made to run on our Java runtime."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from stack.downloads.jars import JarSet, Progress
from stack.machine.files import put_in_place
from stack.machine.paths import default_cache

VERSION = "3.6.0"
OPENSEARCH = JarSet(
    "opensearch", "OpenSearch", VERSION, (f"org.opensearch.distribution.integ-test-zip:opensearch:{VERSION}",)
)
PROGRAM = Path("bin", "opensearch")
# It needs data of locales that the packaged Java runtime does not have.
WITHOUT = ("modules/analysis-common",)


def ensure(cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> Path:
    """Return the folder of the distribution, after downloading and unpacking it the first time. Raises StackError."""
    cache = cache or default_cache()
    archives = OPENSEARCH.ensure(cache, progress)
    target = archives.with_name(f"{archives.name}-unpacked")
    if target.is_dir():
        return target
    work = Path(tempfile.mkdtemp(prefix=".opensearch-", dir=cache))
    try:
        (archive,) = archives.iterdir()
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(work)
        (fresh,) = work.iterdir()
        for name in WITHOUT:
            shutil.rmtree(fresh / name)
        for program in (fresh / "bin").iterdir():
            program.chmod(0o755)
        put_in_place(fresh, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
