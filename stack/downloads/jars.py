"""Sets of jars, each locked by sha256 and downloaded once from Maven Central into a folder of the cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stack.errors import DownloadFailed, ServerMissing
from stack.machine.files import PUBLIC, put_in_place
from stack.machine.paths import default_cache

PARALLEL = 8
ATTEMPTS = 3
# The download of a larger jar is shown as it goes on.
LARGE_BYTES = 5_000_000
COLONS_WITH_CLASSIFIER = 3
Progress = Callable[[int, int, str], None]
Receiving = Callable[[str, int, int], None]


@dataclass(frozen=True, order=True)
class Jar:
    """A jar, or a file of another packaging: its Maven coordinates and sha256.

    One with a classifier contains all that it needs.
    """

    group: str
    artifact: str
    version: str
    sha256: str
    classifier: str = ""
    packaging: str = "jar"

    @classmethod
    def locked(cls, line: str) -> Self:
        """Read a line of a lock file: group:artifact:version[@packaging][:classifier]:sha256."""
        group, artifact, version, *classifier, sha256 = line.split(":")
        number, _, packaging = version.partition("@")
        return cls(group, artifact, number, sha256, "".join(classifier), packaging or "jar")

    def __str__(self) -> str:
        version = self.version if self.packaging == "jar" else f"{self.version}@{self.packaging}"
        return ":".join(filter(None, (self.group, self.artifact, version, self.classifier, self.sha256)))

    @property
    def filename(self) -> str:
        """The file name."""
        return f"{'-'.join(filter(None, (self.artifact, self.version, self.classifier)))}.{self.packaging}"


@dataclass(frozen=True)
class JarSet:
    """Jars that are downloaded together: a name, a title for people, and the roots that are resolved for the lock.

    A root with a packaging or a classifier (group:artifact:version@zip, group:artifact:version:classifier) is locked
    alone.
    """

    name: str
    title: str
    version: str
    roots: tuple[str, ...]

    @property
    def lock(self) -> Path:
        """The lock file, with group:artifact:version:sha256 on each line, or a classifier before the sha256."""
        return Path(__file__).with_name(f"{self.name}.lock")

    def locked(self) -> list[Jar]:
        """Read the lock file."""
        return [Jar.locked(line) for line in self.lock.read_text().splitlines() if line]

    def cached(self, cache: Path | None = None) -> Path | None:
        """Return the folder of jars, None when they must be downloaded."""
        folder = self._folder(self.locked(), cache or default_cache())
        return folder if folder.is_dir() else None

    def ensure(self, cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> Path:
        """Return the folder of jars, after downloading them the first time. Raises StackError.

        `progress` gets the done jars, all jars and the name of the jar.
        """
        jars, cache = self.locked(), cache or default_cache()
        target = self._folder(jars, cache)
        if target.is_dir():
            return target
        cache.mkdir(mode=PUBLIC, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{self.name}-", dir=cache))
        try:
            fresh = work / "jars"
            fresh.mkdir()
            fetch_all(jars, work, fresh, progress)
            put_in_place(fresh, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target

    def update_lock(self) -> int:
        """Resolve the roots at Maven Central, write the lock file, and return the number of jars. Raises StackError."""
        jars = resolve(self.roots)
        self.lock.write_text("".join(f"{jar}\n" for jar in jars))
        return len(jars)

    def _folder(self, jars: list[Jar], cache: Path) -> Path:
        """Return the folder of exactly these jars, which depends on the lock."""
        digest = hashlib.sha256("\n".join(map(str, jars)).encode()).hexdigest()
        return cache / f"{self.name}-{self.version}-{digest[:12]}"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_all(jars: list[Jar], work: Path, into: Path, progress: Progress) -> None:
    """Download several jars at a time. Raises the first error."""
    done = 0

    def receiving(name: str, received: int, size: int) -> None:
        progress(done, len(jars), f"{name}, {received / 1e6:.0f} of {size / 1e6:.0f} MB")

    with ThreadPoolExecutor(PARALLEL) as pool:
        running = {pool.submit(fetch, jar, work, into, receiving): jar for jar in jars}
        try:
            for future in as_completed(running):
                future.result()
                done += 1
                progress(done, len(jars), running[future].filename)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def fetch(jar: Jar, work: Path, into: Path, receiving: Receiving = lambda name, received, size: None) -> None:
    """Download one jar and move it into the folder when its sha256 is the locked one."""
    for attempt in range(1, ATTEMPTS + 1):
        # A new repository for each attempt: the rest of a broken download would be taken for the file.
        context = maven(work / f"{jar.artifact}-{attempt}", receiving)
        try:
            artifact = (
                context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier, jar.packaging)
            )
            path = Path(artifact.resolve())
            break
        except Exception as error:
            if attempt == ATTEMPTS:
                raise DownloadFailed(f"cannot download {jar.filename} from Maven Central: {error}") from error
    found = sha256_of(path)
    if found != jar.sha256:
        raise DownloadFailed(f"{jar.filename} differs from the lock: sha256 {found}, expected {jar.sha256}")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(path, into / jar.filename)


def maven(repository: Path, receiving: Receiving = lambda name, received, size: None) -> Any:
    """Return a Maven context with its own repository folder; `receiving` is told how far a large download is."""
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise ServerMissing("jars cannot be downloaded: pip install 'ordermesh[local]' (the package jgo)") from error

    @contextlib.contextmanager
    def receive(name: str, size: int) -> Iterator[Callable[[int], None]]:
        received = told = 0

        def add(count: int) -> None:
            nonlocal received, told
            received += count
            if received - told >= LARGE_BYTES:
                told = received
                receiving(name, received, size)

        yield add

    return MavenContext(PythonResolver(progress_callback=receive), repo_cache=repository, timeout=30)


def resolve(roots: tuple[str, ...]) -> list[Jar]:
    """Resolve roots at Maven Central and return every jar with its sha256, sorted."""
    with tempfile.TemporaryDirectory() as repository:
        context = maven(Path(repository))
        alone = [root for root in roots if "@" in root or root.count(":") == COLONS_WITH_CLASSIFIER]
        found = [
            context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier, jar.packaging)
            for jar in (Jar.locked(f"{root}:") for root in alone)
        ]
        dependencies = [context.create_dependency(root) for root in roots if root not in alone]
        if dependencies:
            own, others = context.resolver.resolve(dependencies)
            found += [dependency.artifact for dependency in (*own, *others)]
        return sorted(
            Jar(a.groupId, a.artifactId, a.version, sha256_of(Path(a.resolve())), a.classifier or "", a.packaging)
            for a in found
        )
