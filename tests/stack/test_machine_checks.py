import socket

import pytest

from runtime.process import landlock
from stack import machine_checks
from stack.machine.state_folder import temporary_home
from stack.machine_checks import check_machine
from stack.settings import StackSettings


def test_this_machine_passes_the_checks_and_a_taken_port_is_found() -> None:
    with temporary_home() as home, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        checks = {one.name: one for one in check_machine(home, StackSettings.with_free_ports(front_port=port))}
    for name in ("Linux", "state folder", "Envoy", "PostgreSQL", "Java", "disk", "memory", "Landlock"):
        assert checks[name].passed, checks[name]
    assert not checks["ports"].passed
    assert f"port {port} (ORDERMESH_FRONT_PORT) is taken by process" in checks["ports"].remedy


def test_a_kernel_without_landlock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    check = machine_checks.landlock()
    assert not check.passed
    assert "servers may read every file" in check.found
    assert "lsm=landlock" in check.remedy
