"""Jars are those of the lock, or none; a set is downloaded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stack.downloads import jars
from stack.downloads.__main__ import main
from stack.downloads.jar_sets import KAFKA_JARS, SWAGGER_UI_JARS, swagger_ui_jar
from stack.downloads.jars import Jar, JarSet
from stack.errors import DownloadFailed

THINGS = JarSet("things", "Things", "1", ("org.example:thing:1",))
GOOD = Jar("org.example", "thing", "1", hashlib.sha256(b"good").hexdigest())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes], None]:
    """Lock one jar, and let a test say what is downloaded for it."""
    monkeypatch.setattr(JarSet, "locked", lambda _: [GOOD])
    monkeypatch.setattr(jars, "default_cache", lambda: tmp_path / "cache")

    def serve(content: bytes) -> None:
        monkeypatch.setattr(jars, "maven", lambda *_: fake_maven(content, tmp_path / "downloaded"))

    return serve


def fake_maven(content: bytes, path: Path) -> SimpleNamespace:
    def resolve() -> Path:
        path.write_bytes(content)
        return path

    artifact = SimpleNamespace(resolve=resolve)
    version = SimpleNamespace(artifact=lambda classifier, packaging: artifact)
    return SimpleNamespace(project=lambda group, name: SimpleNamespace(at_version=lambda wanted: version))


def test_a_jar_that_differs_from_the_lock_is_rejected(served: Callable[[bytes], None], tmp_path: Path) -> None:
    served(b"evil")
    with pytest.raises(DownloadFailed, match=r"thing-1\.jar differs from the lock"):
        THINGS.ensure()
    assert THINGS.cached() is None
    assert list((tmp_path / "cache").iterdir()) == []


def test_jars_are_downloaded_once_with_progress(served: Callable[[bytes], None]) -> None:
    served(b"good")
    seen: list[tuple[int, int, str]] = []
    for _ in range(2):
        folder = THINGS.ensure(progress=lambda *step: seen.append(step))
    assert (folder / "thing-1.jar").read_bytes() == b"good"
    assert seen == [(1, 1, "thing-1.jar")]


def test_the_command_prints_the_folder_or_why_there_is_none(
    served: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    served(b"evil")
    assert (main(["fetch", "swagger-ui"]), swagger_ui_jar()) == (1, None)
    assert "thing-1.jar differs from the lock" in capsys.readouterr().err
    served(b"good")
    assert main(["fetch", "swagger-ui"]) == 0
    assert swagger_ui_jar() == Path(capsys.readouterr().out.strip()) / GOOD.filename
    assert main(["fetch", "nothing"]) == 2
    assert "fetch {kafka,swagger-ui,zipkin,jmx-exporter,opensearch}" in capsys.readouterr().err


def test_a_line_of_a_lock_may_have_a_classifier() -> None:
    for line in ("org.example:thing:1:abc", "org.example:thing:1:exec:abc"):
        assert str(Jar.locked(line)) == line
    assert Jar.locked("org.example:thing:1:exec:abc").filename == "thing-1-exec.jar"


def test_the_locks_hold_what_is_wanted_in_one_version() -> None:
    versions = {jar.artifact: jar.version for jar in KAFKA_JARS.locked()}
    assert versions["kafka_2.13"] == versions["kafka-clients"] == KAFKA_JARS.version
    assert versions["log4j-slf4j-impl"] == versions["log4j-core"] == versions["log4j-api"]
    assert [(jar.artifact, jar.version) for jar in SWAGGER_UI_JARS.locked()] == [
        ("swagger-ui", SWAGGER_UI_JARS.version)
    ]
