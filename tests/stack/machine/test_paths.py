import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from stranger import only_root

import stack
from stack.errors import SettingInvalid, StateInUse
from stack.machine.files import make_folder
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.processes.server_account import Account, first_inaccessible
from stack.servers import credentials


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_stack_with_the_same_state_folder_is_rejected_with_the_pid_of_the_first(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "home")
    code = (
        "import sys, pathlib, stack.machine.state_folder as module\n"
        "module.StateFolder(pathlib.Path(sys.argv[1])).locked().__enter__()"
    )
    root = Path(stack.__file__).parent.parent
    with folder.locked():
        other = subprocess.run([sys.executable, "-c", code, str(folder.home)], cwd=root, capture_output=True, text=True)
    assert f"is already running (pid {os.getpid()})" in other.stderr
    with folder.locked():
        pass


def test_the_lock_is_free_again_after_use(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "home")
    with folder.locked(), pytest.raises(StateInUse), folder.locked():
        pass
    with folder.locked():
        pass


def test_the_run_folder_is_short_and_reused_while_it_is_ours(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "home")
    first = folder.run_dir()
    assert len(os.fsencode(first)) <= 64
    assert folder.run_dir() == first
    first.chmod(0o777)
    assert folder.run_dir() != first
    folder.run_dir().rmdir()
    first.rmdir()


def test_passwords_are_generated_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = credentials.load_or_create(path)
    assert mode(path) == 0o600
    assert credentials.load_or_create(path) == first
    assert set(first.passwords) == set(credentials.NAMES)
    assert len({*first.passwords.values()}) == len(first.passwords)
    assert first.password("orders_app") not in repr(first)


def test_an_invalid_password_file_is_reported_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{")
    with pytest.raises(SettingInvalid, match=r"credentials\.json"):
        credentials.load_or_create(path)
    path.write_text(json.dumps(["postgres"]))
    with pytest.raises(SettingInvalid, match="object of role to password"):
        credentials.load_or_create(path)
    assert path.read_text() == '["postgres"]'


def test_an_existing_folder_keeps_its_permissions(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o750)
    make_folder(theirs, 0o711, "ORDERMESH_HOME")
    assert mode(theirs) == 0o750


def test_a_state_folder_that_is_a_file_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingInvalid, match="ORDERMESH_HOME"):
        StateFolder(tmp_path / "file")
    with pytest.raises(SettingInvalid, match="ORDERMESH_HOME"):
        StateFolder(tmp_path / "file" / "below")


@pytest.mark.parametrize("extra", [0o002, 0o020], ids=["others", "group"])
def test_a_state_folder_that_others_may_change_is_refused(tmp_path: Path, extra: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o700 | extra)
    with pytest.raises(SettingInvalid, match=f"chmod go-w {home}"):
        StateFolder(home)
    assert list(home.iterdir()) == []


@only_root
def test_the_state_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    """As one that somebody made in /tmp before, with keys of its own in it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 54_321, 54_321)
    with pytest.raises(SettingInvalid, match="belongs to uid 54321: set ORDERMESH_HOME"):
        StateFolder(home)


def test_the_setting_chooses_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORDERMESH_HOME", str(tmp_path))
    assert default_home() == tmp_path


def test_the_first_inaccessible_folder_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    stranger = Account(54_321, 54_321)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            assert first_inaccessible(closed / "inner", stranger) == folder or folder in closed.parents
            return
    assert first_inaccessible(closed / "inner", stranger) == closed
