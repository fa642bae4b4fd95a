import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack import ports

SERVICE = """
import sys
from runtime.supervise import Supervisor
work, grace_seconds, address = sys.argv[1:]
Supervisor(("child_services", work), 2, metrics_address=address, grace_seconds=float(grace_seconds)).run()
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
        while not (found := [pid for pid in self.children(index) if pid != after]):
            assert self.process.poll() is None
        return found[-1]


def start(work: str, folder: Path, grace_seconds: float) -> Service:
    address = f"127.0.0.1:{ports.allocate(1)[0]}"
    env = os.environ | {"TEST_FOLDER": str(folder), "PYTHONPATH": str(Path(__file__).parent)}
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
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            pass


def test_a_killed_child_is_started_again_and_its_sibling_stays(service: Service) -> None:
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
    assert urllib.request.urlopen(f"http://{service.address}/metrics").status == 200


def test_children_that_do_not_finish_are_ended_after_the_grace(tmp_path: Path) -> None:
    service = start("deaf", tmp_path, 0.2)
    pids = [service.child(0), service.child(1)]
    service.process.terminate()
    assert service.process.wait(30) == 0
    for pid in pids:
        ended(pid)
