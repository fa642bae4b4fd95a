"""The page of disks, on a platform with a disk of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest
from monitoring import Monitoring, node_exporter
from operator_desk import OVER, TYPE, operator

from faults.injection import disk
from faults.scenario import Needs
from stack.machine import ports
from stack.machine.ports import LOOPBACK

pytestmark = [pytest.mark.long, pytest.mark.timeout(470)]
# Less than what a critical alert leaves of SIZE_MIB, and enough to go on.
LEFT_MIB = 25


@contextlib.contextmanager
def exported_disks(watched: Monitoring) -> Iterator[None]:
    """Run node_exporter and scrape it besides the stack."""
    (port,) = ports.allocate(1)
    program = node_exporter()
    options = ["--collector.disable-defaults", "--collector.filesystem", f"--web.listen-address={LOOPBACK}:{port}"]
    env = {**os.environ, **program.env}
    process = subprocess.Popen([program.path, *options], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watched.add_target({"targets": [f"{LOOPBACK}:{port}"], "labels": {"job": "ordermesh-node"}})
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_disk_nearly_full() -> None:
    with operator(Needs(small_disk=True, alone=True)) as desk, exported_disks(desk.monitoring):
        home = desk.world.stack.stack.state.home
        labels = {"mountpoint": str(home), "severity": "critical"}
        filler = home / disk.FILLER
        free = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - LEFT_MIB * 1024 * 1024)
        desk.monitoring.await_firing("OrdermeshDiskNearlyFull", **labels)
        desk.look("machine/disk-nearly-full.md")
        desk.follow("machine/disk-nearly-full.md", TYPE, {})
        # Files of others.
        disk.empty(home)
        desk.monitoring.await_resolved("OrdermeshDiskNearlyFull", **labels)
        desk.follow("machine/disk-nearly-full.md", OVER, {})
