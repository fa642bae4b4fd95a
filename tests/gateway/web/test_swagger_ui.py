"""The files of Swagger UI in the repository are those of its package, and a package with another digest is refused."""

import base64
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest
import swagger_ui

from gateway.web import pages


def test_the_files_are_those_that_are_locked() -> None:
    assert swagger_ui.differences(pages.SWAGGER) == []


def test_the_files_that_are_served_and_their_licences_are_there() -> None:
    assert {*pages.SWAGGER_FILES, "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"} == set(swagger_ui.FILES)
    assert "Apache License" in (pages.SWAGGER / "LICENSE").read_text()


def test_a_changed_file_a_missing_one_and_a_foreign_one_are_named(tmp_path: Path) -> None:
    folder = shutil.copytree(pages.SWAGGER, tmp_path / "swagger_ui")
    (folder / "swagger-ui.css").write_text("")
    (folder / "NOTICE").unlink()
    (folder / "more.js").write_text("")
    assert swagger_ui.differences(folder) == [
        "more.js is not locked",
        "NOTICE is missing",
        "swagger-ui.css differs from the lock",
    ]


def package(path: Path) -> str:
    """Write a package with short files and return its integrity."""
    with tarfile.open(path, "w:gz") as archive:
        for name in swagger_ui.FILES:
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_a_package_is_taken_with_its_integrity_only(tmp_path: Path) -> None:
    integrity = package(tmp_path / "package.tgz")
    folder = tmp_path / "swagger_ui"
    folder.mkdir()
    with pytest.raises(swagger_ui.LockError, match="expected sha512-other"):
        swagger_ui.unpack(tmp_path / "package.tgz", "sha512-other", "9.9.9", folder)
    assert list(folder.iterdir()) == []
    swagger_ui.unpack(tmp_path / "package.tgz", integrity, "9.9.9", folder)
    assert swagger_ui.locked_version(folder) == "9.9.9"
    assert swagger_ui.differences(folder) == []
