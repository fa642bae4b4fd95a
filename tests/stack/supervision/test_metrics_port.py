"""The metrics port of a service is its own, also while it is down."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator

import pytest
from stranger import only_root, script_of_stranger, start_as_stranger

from stack.errors import PortTaken
from stack.machine import ports
from stack.machine.http_probe import http_get
from stack.machine.state_folder import StateFolder
from stack.processes import privileges
from stack.processes.logfile import LogFile
from stack.processes.process import Command, inherited_env
from stack.processes.runners import READY_SECONDS
from stack.supervision.component import HeldService
from stack.supervision.status import State

SERVES = "import signal, sys; from runtime.telemetry.metrics import endpoint as m; m.serve(sys.argv[1]); signal.pause()"
# Tries to listen until a line arrives, and prints how often; `took` when it succeeded.
BINDS = """
import select, socket, sys
port, tried = int(sys.argv[1]), 0
print("trying", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    tried += 1
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        print("took", flush=True)
        break
    except OSError:
        taken.close()
    if tried % 100 == 0:
        print("tried", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def service(state: StateFolder) -> Iterator[HeldService]:
    (port,) = ports.allocate(1)
    granted = privileges.of_service({}, (), (port,))
    words = [sys.executable, "-P", "-c", SERVES, f"127.0.0.1:{port}"]
    command = Command("metrics", words, inherited_env(), granted.account, granted.confinement)
    made = HeldService(command, LogFile(state.logs / "metrics.log"), lambda: answers(port), port)
    yield made
    made.stop()


def answers(port: int) -> bool:
    return http_get(port, "/metrics", 2.0) is not None


def port_of(service: HeldService) -> int:
    return service._port


@only_root
def test_another_account_takes_no_port_of_a_service_that_was_killed(service: HeldService) -> None:
    service.start()
    service.wait_ready(READY_SECONDS)
    attacker = start_as_stranger(*script_of_stranger(BINDS, str(port_of(service))))
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == "trying\n"
    assert service.process.pid is not None
    os.kill(service.process.pid, signal.SIGKILL)
    assert service.process.wait(10)
    # It tries a hundred times while nobody listens.
    assert [attacker.stdout.readline() for _ in range(2)] == ["tried\n"] * 2
    service.start()
    service.wait_ready(READY_SECONDS)
    assert service.port_state() is None
    rest, _ = attacker.communicate("\n", timeout=30)
    assert "took" not in rest


def test_who_has_the_port_is_named(service: HeldService) -> None:
    service.start()
    service.wait_ready(READY_SECONDS)
    service.stop()
    with (
        socket.create_server(("127.0.0.1", port_of(service))),
        pytest.raises(PortTaken, match=f"process {os.getpid()} "),
    ):
        service.start()
    service.start()
    service.wait_ready(READY_SECONDS)
    assert service.port_state() is None


def test_a_second_server_of_the_same_account_is_told(service: HeldService, state: StateFolder) -> None:
    service.start()
    service.wait_ready(READY_SECONDS)
    second = HeldService(service.process.command, LogFile(state.logs / "second.log"), lambda: True, port_of(service))
    with pytest.raises(PortTaken, match=str(service.process.pid)):
        second.start()
    second.process.start()
    try:
        found = None
        while found is None and second.process.running():
            found = service.port_state()
        assert found is not None
        assert found[0] == State.DEGRADED
        assert f"process {second.process.pid} (" in found[1]
    finally:
        second.stop()
