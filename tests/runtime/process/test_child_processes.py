import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import await_true

from stack.machine import ports

SERVICE = """
import sys
from runtime.process.process_supervisor import ProcessSupervisor
work, grace_seconds, address = sys.argv[1:]
ProcessSupervisor(("child_services", work), 2, metrics_address=address, grace_seconds=float(grace_seconds)).run()
"""


@dataclass
class Service:
    process: subprocess.Popen[bytes]
    folder: Path
    address: str

    def children(self, index: int) -> list[int]:
        return [int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"child-{index}-*")]

    def child(self, index: int, after: int = 0) -> int:
        """Wait for a process in a place, another one than an earlier."""

        def found() -> list[int]:
            assert self.process.poll() is None
            return [pid for pid in self.children(index) if pid != after]

        await_true(found, f"child {index} has started")
        return found()[-1]


def start(work: str, folder: Path, grace_seconds: float) -> Service:
    address = f"127.0.0.1:{ports.allocate(1)[0]}"
    (folder / "tmp").mkdir(exist_ok=True)
    env = os.environ | {"TEST_FOLDER": str(folder), "PYTHONPATH": str(Path(__file__).parent)}
    env["TMPDIR"] = str(folder / "tmp")
    argv = [sys.executable, "-c", SERVICE, work, str(grace_seconds), address]
    return Service(subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL), folder, address)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = start("waits", tmp_path, 20)
    yield made
    made.process.kill()
    made.process.wait()


def ended(pid: int) -> None:
    """Wait until a process is gone, or is only a name that nobody has collected."""

    def state() -> str:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return "Z"

    await_true(lambda: state() == "Z", f"process {pid} has ended")


def test_a_killed_child_is_restarted_and_its_sibling_keeps_running(service: Service) -> None:
    first, sibling = service.child(0), service.child(1)
    os.kill(first, signal.SIGKILL)
    assert service.child(0, after=first) != first
    assert service.children(1) == [sibling]


def test_a_killed_supervisor_leaves_no_orphan(service: Service) -> None:
    pids = [service.child(0), service.child(1)]
    service.process.kill()
    for pid in pids:
        ended(pid)


def test_a_stop_lets_the_children_finish(service: Service) -> None:
    pids = [service.child(0), service.child(1)]
    service.process.terminate()
    assert service.process.wait(30) == 0
    assert sorted(path.name for path in service.folder.glob("finished-*")) == ["finished-0", "finished-1"]
    for pid in pids:
        ended(pid)


def test_one_port_serves_the_metrics_of_all(service: Service) -> None:
    service.child(0)
    with urllib.request.urlopen(f"http://{service.address}/metrics") as reply:
        assert reply.status == 200


def metric(service: Service, name: str) -> float | None:
    """Return the value of a metric without labels, None when there is none."""
    with urllib.request.urlopen(f"http://{service.address}/metrics") as reply:
        text = reply.read().decode()
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), None)


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Service]:
    made = start("counts", tmp_path, 20)
    yield made
    made.process.kill()
    made.process.wait()


def test_the_counts_of_ended_processes_stay_in_the_sum_and_they_leave_no_file(counting: Service) -> None:
    counting.child(1)
    [folder] = (counting.folder / "tmp").glob("om-metrics-*")
    known, names = {counting.child(0)}, None
    for restarts in range(3):
        assert metric(counting, "ordermesh_requests_replayed_total") == 2 + restarts
        names = names or sorted(path.name for path in folder.iterdir())
        assert sorted(path.name for path in folder.iterdir()) == names
        for pid in known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await_true(lambda known=known: known != set(counting.children(0)), "another child has started")
        known = set(counting.children(0))


def test_a_process_has_no_series_of_other_components(counting: Service) -> None:
    counting.child(0)
    assert metric(counting, "ordermesh_events_rejected_total") is None
    assert metric(counting, "ordermesh_assigned_partitions") is None
    assert metric(counting, "ordermesh_requests_replayed_total") is not None


def test_the_metrics_of_a_killed_service_are_removed_by_the_next_one_and_those_of_a_running_one_are_not(
    service: Service, tmp_path: Path
) -> None:
    service.child(0)
    [held] = (tmp_path / "tmp").glob("om-metrics-*")
    killed = start("waits", tmp_path, 20)
    killed.child(0, after=service.child(0))
    [left] = [path for path in (tmp_path / "tmp").glob("om-metrics-*") if path != held]
    killed.process.kill()
    killed.process.wait()
    assert left.exists()
    following = start("waits", tmp_path, 20)
    following.child(0, after=killed.process.pid)
    while left.exists():
        time.sleep(0.02)
    assert held.exists()
    following.process.terminate()
    assert following.process.wait(30) == 0
    assert [path.name for path in (tmp_path / "tmp").glob("*om-metrics-*")] == [held.name]


def test_children_that_do_not_drain_are_killed_after_the_grace_period(tmp_path: Path) -> None:
    service = start("deaf", tmp_path, 0.2)
    pids = [service.child(0), service.child(1)]
    service.process.terminate()
    assert service.process.wait(30) == 0
    for pid in pids:
        ended(pid)
