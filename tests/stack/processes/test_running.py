"""A runner that runs for the time of a context is stopped whatever happens."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.errors import ServerFailed
from stack.processes.logfile import LogFile
from stack.processes.process import Command
from stack.processes.runners import Service, running


def service(folder: Path, probe: Callable[[], bool]) -> Service:
    command = Command("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    return Service(command, LogFile(folder / "sleeper.log"), probe)


def test_it_is_given_when_it_is_ready_and_stopped_at_the_end(tmp_path: Path) -> None:
    answers = [True, False]
    with running(service(tmp_path, answers.pop)) as made:
        assert answers == []
        assert made.process.running()
    assert not made.process.running()


def test_one_that_fails_to_become_ready_is_stopped(tmp_path: Path) -> None:
    def probe() -> bool:
        raise ServerFailed("it has another cluster id")

    made = service(tmp_path, probe)
    with pytest.raises(ServerFailed, match="another cluster id"), running(made):
        pytest.fail("it was given")
    assert made.process.pid is not None
    assert not made.process.running()
