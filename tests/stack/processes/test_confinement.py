"""What a confined process may do, tried by a process that does it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from runtime.process import landlock
from stack.machine import ports
from stack.processes.confinement import Confinement, paths
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process

INTERPRETER = paths(Path(sys.base_prefix), Path(sys.prefix))


def said(tmp_path: Path, code: str, *, stdin: bytes = b"", **allowed: object) -> str:
    """Run code in a process that may use Python and what is allowed besides; return the last line of what it says."""
    confinement = Confinement(executable=INTERPRETER, **allowed)  # type: ignore[arg-type]
    command = Command("confined", [sys.executable, "-I", "-c", code], confinement=confinement, stdin=stdin)
    process = Process(command, LogFile(tmp_path / "log"))
    process.start()
    assert process.wait(30)
    return process.recent_log().splitlines()[-1]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    made = tmp_path / "room"
    made.mkdir()
    (made / "file").write_text("inside")
    (tmp_path / "outside").write_text("outside")
    return made


def test_a_confined_process_reads_what_is_readable_and_nothing_beside_it(tmp_path: Path, room: Path) -> None:
    read = "import sys; print(open({!r}).read())".format
    assert said(tmp_path, read(str(room / "file")), readable=paths(room)) == "inside"
    assert "PermissionError" in said(tmp_path, read(str(tmp_path / "outside")), readable=paths(room))
    assert "PermissionError" in said(tmp_path, read(str(room / "../outside")), readable=paths(room))
    # Of another process: its environment holds secrets.
    assert "PermissionError" in said(tmp_path, read(f"/proc/{os.getpid()}/environ"))


@pytest.mark.parametrize(
    "code",
    [
        "open({0!r} + '/new', 'w').write('x')",
        "open({0!r} + '/file', 'a').write('x')",
        "import os; os.truncate({0!r} + '/file', 0)",
        "import os; os.remove({0!r} + '/file')",
        "import os; os.mkdir({0!r} + '/folder')",
        "import os; os.rename({0!r} + '/file', {0!r} + '/moved')",
        "import os; os.symlink('/etc', {0!r} + '/link')",
        "import socket; socket.socket(socket.AF_UNIX).bind({0!r} + '/s')",
    ],
)
def test_a_confined_process_changes_what_is_writable_only(tmp_path: Path, room: Path, code: str) -> None:
    changed = f"{code.format(str(room))}; print('changed')"
    assert "PermissionError" in said(tmp_path, changed, readable=paths(room))
    assert said(tmp_path, changed, writable=paths(room)) == "changed"


def test_a_confined_process_runs_what_is_executable_only(tmp_path: Path) -> None:
    run = "import subprocess; print(subprocess.run(['/bin/true']).returncode)"
    assert "PermissionError" in said(tmp_path, run)
    assert said(tmp_path, run.replace("/bin/true", sys.executable).replace("]", ", '-V']")) == "0"


def test_a_confined_process_uses_its_own_ports_only(tmp_path: Path) -> None:
    own, other = ports.allocate(2)
    bind = "import socket; socket.create_server(('127.0.0.1', {})); print('bound')".format
    assert said(tmp_path, bind(own), bind_ports=(own,)) == "bound"
    assert "PermissionError" in said(tmp_path, bind(other), bind_ports=(own,))
    with socket.create_server(("127.0.0.1", own)), socket.create_server(("127.0.0.1", other)):
        connect = "import socket; socket.create_connection(('127.0.0.1', {})); print('connected')".format
        assert said(tmp_path, connect(own), connect_ports=(own,)) == "connected"
        assert "PermissionError" in said(tmp_path, connect(other), connect_ports=(own,))
        assert said(tmp_path, connect(other)) == "connected"


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6, 8])
def test_an_older_or_newer_kernel_enforces_what_it_knows(
    tmp_path: Path, room: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: version)
    allowed = Confinement(readable=paths(room), bind_ports=(1,))
    rules = landlock.ruleset(dict(vars(allowed)))
    assert rules is not None
    os.close(rules)


def test_a_kernel_without_landlock_confines_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert landlock.ruleset(dict(vars(Confinement()))) is None


def test_secrets_are_read_once_from_the_standard_input(tmp_path: Path) -> None:
    code = "import sys; first = sys.stdin.read(); print(first, open('/dev/stdin').read() == '')"
    assert said(tmp_path, code, stdin=b"secret") == "secret True"
