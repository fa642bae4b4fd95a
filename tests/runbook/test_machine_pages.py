"""The page of disks, on a platform with a disk of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from monitoring import Monitoring, server, started
from operator_desk import PATIENCE_SECONDS, TYPE, operator

from faults.injection import disk
from faults.scenario import Needs
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.observe.programs import NODE_EXPORTER

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]
# Less than what a critical alert leaves of SIZE_MIB, and enough to go on.
LEFT_MIB = 25


@contextlib.contextmanager
def exported_disks(watched: Monitoring, folder: Path) -> Iterator[None]:
    """Run node_exporter, with its log in a folder, and scrape it besides the stack."""
    (port,) = ports.allocate(1)
    options = ["--collector.disable-defaults", "--collector.filesystem", f"--web.listen-address={LOOPBACK}:{port}"]
    with started(server(NODE_EXPORTER), folder, *options):
        watched.add_target({"targets": [f"{LOOPBACK}:{port}"], "labels": {"job": "ordermesh-node"}})
        yield


def test_disk_nearly_full(tmp_path: Path) -> None:
    with operator(Needs(small_disk=True, alone=True)) as desk, exported_disks(desk.monitoring, tmp_path):
        home = desk.world.stack.stack.state.home
        labels = {"mountpoint": str(home), "severity": "critical"}
        filler = home / disk.FILLER
        free = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - LEFT_MIB * 1024 * 1024)
        desk.monitoring.await_firing("OrdermeshDiskNearlyFull", PATIENCE_SECONDS, **labels)
        desk.look("machine/disk-nearly-full.md")
        desk.follow("machine/disk-nearly-full.md", TYPE, {})
        # Files of others.
        disk.empty(home)
        desk.monitoring.await_resolved("OrdermeshDiskNearlyFull", PATIENCE_SECONDS, **labels)
        desk.see_the_end("machine/disk-nearly-full.md")
