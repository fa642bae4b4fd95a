"""A full disk: what a supervising thread prints and records is not what it does."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from seed import seeded_home
from waiting import await_true

from stack.processes import proc
from stack.processes.logfile import LogFile
from stack.processes.process import Command
from stack.processes.runners import Program
from stack.running_stack import RunningStack, running_stack
from stack.supervision.component import Component
from stack.supervision.component_supervisor import ComponentSupervisor
from stack.supervision.status import ComponentStatus, StackStatus, State, read_status
from stack.supervision.status_board import StateChange, StatusBoard

SUPPORT = Path(__file__).parents[2] / "support"
LOGS = ("supervisor", "postgres", "kafka", "orders", "publisher", "analytics", "processor", "gateway", "envoy")
ORDER = {"customerId": "cust-1", "items": [{"productId": "p1", "quantity": 1, "price": 10}]}


class Sleeper(Program):
    """A process that stays, whose start fails as often as a test wants."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(Command("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"]), log)
        self.failures: list[Exception] = []

    def start(self) -> None:
        if self.failures:
            raise self.failures.pop()
        super().start()

    def wait_ready(self, timeout_seconds: float) -> None:
        pass


def tell_nobody(event: StateChange) -> None:
    with open("/dev/full", "w") as full:
        print(event, file=full)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[ComponentSupervisor, StatusBoard, Sleeper, Path]]:
    """Give a kept process whose every log is full, and whose listener writes to a full disk."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("sleeper.log", "supervisor.log"):
        (folder / name).symlink_to("/dev/full")
    sleeper = Sleeper(LogFile(folder / "sleeper.log"))
    own = proc.identify(os.getpid())
    assert own is not None
    status = StackStatus(own, "", {}, {"sleeper": ComponentStatus()})
    board = StatusBoard(status, folder / "stack.json", LogFile(folder / "supervisor.log"), tell_nobody)
    supervisor = ComponentSupervisor(Component("sleeper", sleeper), board, 10)
    supervisor.start()
    await_true(lambda: board.state("sleeper") == State.READY, "it is ready")
    yield supervisor, board, sleeper, folder
    supervisor.stop()
    board.close()


def close(folder: Path) -> None:
    """Let nothing be written into a folder any more, root's files included. One step: others write meanwhile."""
    folder.rename(folder.with_name("before"))
    folder.touch()


@pytest.mark.more
def test_a_component_is_restarted_after_any_error_of_its_start_and_of_the_status_file(kept) -> None:
    _, board, sleeper, folder = kept
    close(folder)
    sleeper.failures = [OSError(28, "No space left on device"), KeyError("unexpected"), ValueError("[/path] is full")]
    sleeper.process.kill()
    await_true(lambda: not sleeper.failures, "every failed start was tried again")
    await_true(lambda: board.state("sleeper") == State.READY, "it is ready again")
    assert sleeper.process.running()


def test_the_status_file_is_written_again_when_the_disk_has_space(kept) -> None:
    _, board, sleeper, folder = kept
    before = board.status.components["sleeper"]
    close(folder)
    sleeper.process.kill()
    await_true(lambda: board.status.components["sleeper"].restarts == before.restarts + 1, "it was started again")
    await_true(lambda: board.state("sleeper") == State.READY, "it is ready again")
    folder.unlink()
    folder.mkdir()
    await_true(lambda: read_status(folder / "stack.json") is not None, "the status file is back")
    assert read_status(folder / "stack.json").components == board.status.components
    log = folder / "supervisor.log"
    await_true(lambda: log.exists() and '"the status file works again after' in log.read_text(), "it is logged")


def test_a_ready_component_without_its_process_is_read_as_down(tmp_path: Path) -> None:
    own = proc.identify(os.getpid())
    gone = subprocess.Popen(["true"])
    gone.wait()
    recorded = ComponentStatus(state=State.READY, pid=gone.pid, started_ticks=1)
    board = StatusBoard(
        StackStatus(own, "", {}, {"one": recorded}), tmp_path / "stack.json", LogFile(tmp_path / "log"), tell_nobody
    )
    board.close()
    found = read_status(tmp_path / "stack.json")
    assert found.components["one"].state == State.DOWN
    assert not found.ready


def test_a_status_file_without_a_heartbeat_is_not_ready(tmp_path: Path) -> None:
    own = proc.identify(os.getpid())
    status = StackStatus(
        own, "", {}, {"one": ComponentStatus(State.READY, pid=own.pid, started_ticks=own.started_ticks)}
    )
    board = StatusBoard(status, tmp_path / "stack.json", LogFile(tmp_path / "log"), tell_nobody)
    board.close()
    assert read_status(tmp_path / "stack.json").ready
    long_ago = time.time() - 60
    os.utime(tmp_path / "stack.json", (long_ago, long_ago))
    assert not read_status(tmp_path / "stack.json").ready


@pytest.fixture
def unrecorded() -> Iterator[RunningStack]:
    with seeded_home() as state:
        home = state.home
        (home / "logs").mkdir(mode=0o700)
        for name in LOGS:
            (home / "logs" / f"{name}.log").symlink_to("/dev/full")
        with running_stack(home, on_state_change=tell_nobody) as made:
            yield made


@pytest.mark.long
def test_a_stack_with_unwritable_logs_serves_and_restarts_components(unrecorded: RunningStack) -> None:
    for name in ("kafka", "publisher", "processor", "orders"):
        restarts = unrecorded.kill(name)
        unrecorded.await_restart(name, restarts, 60)
    request = urllib.request.Request(
        f"{unrecorded.rest}/orders", json.dumps(ORDER).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert json.load(reply)["status"] == "CREATED"

    def counted() -> bool:
        with urllib.request.urlopen(f"{unrecorded.rest}/v1/analytics/sales-summary", timeout=5) as reply:
            return int(json.load(reply)["ordersTotal"]) == 1

    unrecorded.wait_until(counted, 60, "the order is counted")


@pytest.mark.more
@pytest.mark.timeout(300)
def test_kafka_recovers_after_a_full_disk() -> None:
    if os.geteuid() != 0:
        assert "CI" not in os.environ, "CI runs this as root, which may mount a small disk"
        pytest.skip("a small disk of its own needs root")
    program = [sys.executable, str(Path(__file__).with_name("on_a_small_disk.py"))]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *program],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "ready again"
