import os
import stat
import subprocess
from pathlib import Path

import forked_programs
import pytest

from stack.certificates import authority
from stack.certificates.certificate_folder import CertificateFolder
from stack.errors import SettingInvalid


def certs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "200"}
    return forked_programs.run("cli", "certs", *arguments, "--folder", str(folder), env=env)


def test_certificates_are_created_listed_and_renewed(tmp_path: Path) -> None:
    assert certs(tmp_path, "create", "shop", "--host", "shop.example", "--host", "10.0.0.7").returncode == 0
    listed = certs(tmp_path, "list").stdout
    assert "shop.example, 10.0.0.7" in listed
    assert " UTC" in listed
    before = CertificateFolder(tmp_path).pair("shop")
    assert certs(tmp_path, "renew").returncode == 0
    after = CertificateFolder(tmp_path).pair("shop")
    assert before.certificate != after.certificate
    assert before.key != after.key
    assert authority.hosts_of(after.certificate) == ["shop.example", "10.0.0.7"]


def test_a_key_is_readable_for_its_account_only(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path / "certificates")
    folder.create("shop", [])
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "ca"], "and not be ca"),
        (["create", "../shop"], "the name of a certificate must match"),
        (["create", "shop", "--host", "b\u00e4d host"], "--host must be a host name, *.NAME or an IP address"),
        (["create", "shop", "--host", "shop\x1b[31m"], "is 'shop\\x1b[31m'"),
        (["create", "shop", "--host", ""], "is ''"),
        (["renew", "nobody"], "no certificate 'nobody'"),
        (["renew", "ca"], "the authority is not renewed"),
        (["renew"], "no certificates in"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = certs(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_name_in_use_is_not_issued_again_by_chance(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path)
    folder.create("shop", [])
    with pytest.raises(SettingInvalid, match="certs renew shop"):
        folder.create("shop", [])


def test_a_certificate_is_issued_again_for_a_further_host_and_before_it_expires(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path)
    first = folder.ensure("front", ["localhost"])
    assert folder.ensure("front", ["localhost"]) == first
    assert set(folder.ensure("front", ["localhost", "shop.example"]).hosts) == {"localhost", "shop.example"}
    soon = folder.renew("front", days=29)
    assert folder.ensure("front", ["localhost"]).expires > soon.expires
