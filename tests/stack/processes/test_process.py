import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from waiting import await_true

from stack.errors import ServerFailed
from stack.processes import proc
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process, explain_exit

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"


def python(code: str, tmp_path: Path, **options: object) -> Process:
    command = Command("sleeper", [sys.executable, "-c", code], **options)  # type: ignore[arg-type]
    return Process(command, LogFile(tmp_path / "log"))


def await_text(path: Path, text: str) -> None:
    await_true(lambda: path.exists() and text in path.read_text(), f"{text!r} came into {path}")


def await_gone(pid: int) -> None:
    await_true(lambda: proc.identify(pid) is None, f"process {pid} is gone")


def test_a_stopped_process_is_gone_and_ended_cleanly(tmp_path: Path) -> None:
    process = python(SLEEPER, tmp_path)
    process.start()
    await_text(process.log.path, "up")
    process.stop()
    assert process.returncode == -signal.SIGTERM
    assert process.ended_cleanly()
    assert proc.identify(process.pid or 0) is None


def test_a_process_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER
    process = python(code, tmp_path, stop_seconds=0.2)
    process.start()
    await_text(process.log.path, "up")
    process.stop()
    assert process.returncode == -signal.SIGKILL
    assert not process.ended_cleanly()


def test_children_of_a_process_that_dies_are_killed_with_it(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys
        print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid, 'is the child', flush=True)
        sys.stdin.read(); {SLEEPER}
    """
    process = python(textwrap.dedent(code), tmp_path)
    process.start()
    await_text(process.log.path, "is the child")
    child = int(process.log.path.read_text().split()[0])
    process.send(signal.SIGKILL)
    assert process.wait(10)
    await_gone(child)


def test_a_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from stack.processes.logfile import LogFile
        from stack.processes.process import Command, Process
        import sys
        log = LogFile(Path({str(tmp_path)!r}) / "log")
        process = Process(Command("child", [sys.executable, "-c", {SLEEPER!r}]), log)
        process.start()
        print(process.pid, flush=True)
        time.sleep(60)
    """
    root = Path(proc.__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        await_text(tmp_path / "log", "up")
        parent.kill()
    await_gone(child)


def test_a_failure_has_the_exit_reason_and_the_last_log_lines_of_the_run(tmp_path: Path) -> None:
    process = python("import sys; print('first run'); sys.exit(3)", tmp_path)
    process.start()
    process.wait(10)
    process = python("import sys; print('the disk is on fire'); sys.exit(7)", tmp_path)
    process.start()
    assert process.wait(10)
    message = str(process.failure("ended before it was ready"))
    assert "sleeper ended before it was ready (exit code 7)" in message
    assert "the disk is on fire" in message
    assert "first run" not in message


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    process = Process(Command("ghost", [str(tmp_path / "ghost")]), LogFile(tmp_path / "log"))
    process.start()
    assert process.wait(10)
    assert f"cannot start {tmp_path / 'ghost'}" in str(process.failure("ended"))


def test_a_process_is_not_started_twice(tmp_path: Path) -> None:
    process = python(SLEEPER, tmp_path)
    process.start()
    with pytest.raises(ServerFailed, match=f"is already running \\(pid {process.pid}\\)"):
        process.start()
    process.kill()


def test_a_signal_is_explained_by_its_name() -> None:
    assert explain_exit(-signal.SIGKILL) == "killed by SIGKILL"
    assert explain_exit(78) == "exit code 78"


def test_a_log_above_its_limit_is_truncated_while_the_child_keeps_writing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", limit_bytes=100)
    descriptor = log.open_append()
    os.write(descriptor, b"x" * 101)
    assert log.rotate()
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert log.path.read_text() == "after\n"
    assert (tmp_path / "log.1").read_text() == "x" * 101


def test_the_older_copy_of_a_log_is_private_too(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", limit_bytes=1)
    (tmp_path / "log.1").write_text("of before")
    (tmp_path / "log.1").chmod(0o644)
    os.write(descriptor := log.open_append(), b"who ordered what\n")
    os.close(descriptor)
    assert log.rotate()
    assert stat.S_IMODE((tmp_path / "log.1").stat().st_mode) == 0o600


def test_a_process_is_measured_where_the_tests_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make coverage` passes its settings to child processes in the environment."""
    monkeypatch.setenv("COVERAGE_PROCESS_CONFIG", "")
    process = python("import os; print('measured', 'COVERAGE_PROCESS_CONFIG' in os.environ, flush=True)", tmp_path)
    process.start()
    await_text(process.log.path, "measured True")
    process.stop()
