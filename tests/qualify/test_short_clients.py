"""Clients that come and go leave nothing behind, and a process that accepts nothing gets no calls."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from envoy_admin import from_admin
from lane_load import Amounts
from seed import seeded_stack
from short_clients import short_clients
from waiting import PATIENCE_SECONDS

from stack.processes.server_account import SERVICES, own_account
from stack.running_stack import RunningStack

MIB = 1024 * 1024
PAGE_BYTES = 4096
FLAT_MIB = 24
# Connections of the health checks, and of what else happens to be open at the moment.
SPARE_DESCRIPTORS = 16
WARMING_CLIENTS = 500


@pytest.fixture(scope="module", params=[True, pytest.param(False, marks=pytest.mark.long)], ids=["lane", "no lane"])
def stack(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    if request.param:
        yield request.getfixturevalue("lane_stack")
    else:
        with seeded_stack() as made:
            yield made


def serving(stack: RunningStack) -> list[int]:
    """Return the processes that a client's connection may reach."""
    return [stack.pid("envoy"), *stack.children("orders")]


def descriptors(stack: RunningStack) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in serving(stack))


def resident_bytes(stack: RunningStack) -> int:
    statm = (Path(f"/proc/{pid}/statm").read_text() for pid in serving(stack))
    return sum(int(text.split()[1]) * PAGE_BYTES for text in statm)


def statistic(stack: RunningStack, pattern: str) -> int:
    """Return the sum of Envoy's statistics whose names match."""
    lines = from_admin(stack.context.envoy_admin, f"/stats?filter={pattern}").splitlines()
    return sum(int(line.rpartition(": ")[2]) for line in lines)


def own_connections(stack: RunningStack) -> int:
    return statistic(stack, r"^cluster\.orders-lane\.upstream_cx_active$")


async def test_clients_that_come_and_go_leave_nothing_behind(stack: RunningStack, amounts: Amounts) -> None:
    await short_clients(stack.grpc, WARMING_CLIENTS)
    stack.wait_until(lambda: own_connections(stack) == 0, PATIENCE_SECONDS, "the first clients' connections end")
    before, memory = descriptors(stack), resident_bytes(stack)
    assert await short_clients(stack.grpc, amounts.short_clients) == {"order": amounts.short_clients}
    stack.wait_until(
        lambda: own_connections(stack) == 0 and descriptors(stack) <= before + SPARE_DESCRIPTORS,
        PATIENCE_SECONDS,
        "what belonged to the clients ends with them",
    )
    assert statistic(stack, r"upstream_cx_overflow$") == 0
    assert resident_bytes(stack) - memory < FLAT_MIB * MIB


async def test_a_process_that_accepts_no_connection_gets_no_calls_until_it_does(stack: RunningStack) -> None:
    healthy = r"^cluster\.orders(-lane)?\.membership_healthy$"
    everyone = statistic(stack, healthy)
    first = next(pid for pid in stack.children("orders") if listens_at(pid, "/orders-0.sock"))
    usual = prlimit(first, "--nofile", "--output", "SOFT", "--noheadings").strip()
    try:
        prlimit(first, "--nofile=0:")
        stack.wait_until(lambda: statistic(stack, healthy) == everyone // 2, PATIENCE_SECONDS, "Envoy sees it")
        assert await short_clients(stack.grpc, 50) == {"order": 50}
    finally:
        prlimit(first, f"--nofile={usual}:")
    stack.wait_until(lambda: statistic(stack, healthy) == everyone, PATIENCE_SECONDS, "Envoy trusts it again")
    assert await short_clients(stack.grpc, 50) == {"order": 50}


def prlimit(pid: int, *words: str) -> str:
    """Run prlimit for a process of the services, as their account: for another one root needs CAP_SYS_RESOURCE."""
    account = own_account(SERVICES)
    ids = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    command = ["prlimit", "--pid", str(pid), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, **ids).stdout


def listens_at(pid: int, name: str) -> bool:
    """Say whether a process listens at the Unix socket of this name."""
    inodes = {os.readlink(f"/proc/{pid}/fd/{number}")[8:-1] for number in os.listdir(f"/proc/{pid}/fd")}
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    return any(row[6] in inodes for row in rows if row[-1].endswith(name))
