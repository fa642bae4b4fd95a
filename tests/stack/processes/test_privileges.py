"""As whom a process runs, by what its account can reach and what the kernel can confine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from accounts import MADE_UP

from runtime.process import child
from stack.processes import confinement, privileges, server_account
from stack.processes.confinement import Confinement
from stack.processes.privileges import OURS, Privileges
from stack.processes.server_account import Account

ALLOWED = Confinement(readable=("/usr",))
ROOT = os.geteuid() == 0


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    path = tmp_path / "closed" / "python"
    path.parent.mkdir(mode=0o700)
    path.touch()
    return path


def test_without_an_account_a_process_is_ours_and_not_confined(closed: Path) -> None:
    assert privileges.privileges(None, ALLOWED, [closed]) == OURS


def test_an_account_that_reaches_everything_gets_no_capability() -> None:
    assert privileges.privileges(MADE_UP, ALLOWED, [Path("/usr/bin"), Path("/nonexistent")]) == Privileges(
        MADE_UP, ALLOWED
    )


def test_an_account_that_does_not_passes_mode_bits_only_where_the_kernel_confines_it(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "enforced", lambda: True)
    granted = privileges.privileges(MADE_UP, ALLOWED, [closed])
    assert granted == Privileges(Account(MADE_UP.uid, MADE_UP.gid, passes_modes=True), ALLOWED)
    monkeypatch.setattr(confinement, "enforced", lambda: False)
    assert privileges.privileges(MADE_UP, ALLOWED, [closed]) == OURS


def test_services_that_run_as_root_are_told_with_the_reason(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "own_account", lambda name: MADE_UP)
    monkeypatch.setattr(privileges, "packages", lambda: [closed])
    monkeypatch.setattr(confinement, "enforced", lambda: True)
    assert privileges.notice() == ""
    monkeypatch.setattr(confinement, "enforced", lambda: False)
    assert privileges.notice().startswith("the services run as root: the account ordermesh has no access to ")


def test_a_service_may_read_the_files_that_its_settings_name(tmp_path: Path) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://db/orders?sslmode=verify-full&sslrootcert=/etc/ca.pem&sslkey=/etc/client.key\n")
    settings = {
        "ORDERMESH_ORDERS_DSN_FILE": str(secret),
        "ORDERMESH_ANALYTICS_DSN": "host=db sslrootcert=system",
        "ORDERMESH_KAFKA_PROPERTIES": json.dumps({"ssl.ca.location": "/etc/kafka.pem", "acks": "all"}),
        "ORDERMESH_GATEWAY_SWAGGER_UI_JAR": "/var/cache/swagger-ui.jar",
        "ORDERMESH_LOG_LEVEL": "debug",
    }
    found = {str(path) for path in privileges.files_of(settings)} - {os.environ.get("SSL_CERT_FILE")}
    assert found == {str(secret), "/etc/ca.pem", "/etc/client.key", "/etc/kafka.pem", "/var/cache/swagger-ui.jar"}


def confined(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a program of ours, confined as such."""
    allowed = privileges.of_service({}, (), ()).confinement
    assert allowed is not None
    words = [str(os.getpid()), "9", str(child.KEEP_USER), str(child.KEEP_USER), "0", allowed.as_json()]
    program = [sys.executable, "-P", "-c", code]
    return subprocess.run(
        [sys.executable, "-I", "-S", child.__file__, *words, *program], capture_output=True, text=True, cwd="/"
    )


def test_a_service_reads_its_packages_but_nothing_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack's folder may be in the source tree, and packages in a folder of other things."""
    package = tmp_path / "orders"
    package.mkdir()
    (package / "__init__.py").touch()
    (tmp_path / "credentials.json").touch()
    found = privileges.packages()
    monkeypatch.setattr(privileges, "own_account", lambda name: MADE_UP)
    monkeypatch.setattr(privileges, "packages", lambda: [package, *found])
    assert confined("import orders.serve, ordermesh.orders.v1.orders_pb2").stderr == ""
    assert confined(f"open({str(package / '__init__.py')!r})").stderr == ""
    assert "PermissionError" in confined(f"open({str(tmp_path / 'credentials.json')!r})").stderr
    tree = Path(privileges.__file__).parents[2]
    assert "PermissionError" in confined(f"open({str(tree / 'README.md')!r})").stderr


@pytest.mark.parametrize("value", ["{broken", "[1]", "host='"])
def test_a_setting_that_does_not_parse_is_left_to_the_program(value: str) -> None:
    settings = {"ORDERMESH_KAFKA_PROPERTIES": value, "ORDERMESH_ORDERS_DSN": value}
    assert [path for path in privileges.files_of(settings) if str(path) != os.environ.get("SSL_CERT_FILE")] == []


def test_mode_bits_are_passed_by_a_confined_program_only() -> None:
    words = [str(os.getpid()), "9", str(child.KEEP_USER), str(child.KEEP_USER), "1", "", "/bin/true"]
    done = subprocess.run([sys.executable, "-I", "-S", child.__file__, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "only a confined program may pass mode bits" in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root creates accounts")
def test_accounts_that_cannot_be_created_are_told_with_what_runs_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_account, "NAMES", ("ordermesh-x",))
    monkeypatch.setattr(server_account.shutil, "which", lambda *words, **more: None)
    said = server_account.create_missing()
    assert said.startswith("cannot create the system accounts ordermesh-x (useradd is not installed): without them ")
    assert "`useradd --system NAME`" in said
    monkeypatch.undo()
    assert server_account.create_missing() == ""
