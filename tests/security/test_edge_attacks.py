"""Another account of this machine against the front proxy: its admin interface and its port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from envoy_admin import from_admin
from front_proxy import Platform
from shared_stack import shared_stack
from stranger import as_stranger, only_root, script_of_stranger, start_as_stranger

from stack.machine import ports
from stack.processes import proc
from stack.running_stack import RunningStack
from stack.supervision.status import State

# Binds in a loop, in each way that a server may; prints what succeeded, and ends with its input.
BINDS = """
import select, socket, sys
port, took, tried = int(sys.argv[1]), [], 0
addresses = [(socket.AF_INET, h) for h in ("127.0.0.1", "0.0.0.0")] + [(socket.AF_INET6, h) for h in ("::1", "::")]
print("trying", flush=True)
while not select.select([sys.stdin], [], [], 0.0005)[0]:
    for family, host in addresses:
        for option in (None, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            with socket.socket(family) as server:
                try:
                    if option is not None:
                        server.setsockopt(socket.SOL_SOCKET, option, 1)
                    server.bind((host, port))
                    server.listen()
                    took.append(f"{host} with {option}")
                except OSError:
                    tried += 1
print(tried, *took)
"""
ANSWERS = """
import socket, sys
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind(("127.0.0.1", int(sys.argv[1])))
    server.listen()
    print("listening", flush=True)
    sys.stdin.read()
"""
ORDER = '{"customerId":"cust-edge","items":[{"productId":"p1","quantity":1,"price":1}]}'


@pytest.fixture(scope="module")
def stack() -> RunningStack:
    return shared_stack()


def order(stack: RunningStack) -> subprocess.CompletedProcess[str]:
    """Send an order, again until somebody answers."""
    retries = ("--retry", "60", "--retry-all-errors", "--retry-delay", "1", "--max-time", "60")
    head = ("-H", "content-type: application/json", "-d", ORDER)
    command = ["curl", "-sS", *retries, *head, f"{stack.rest}/orders"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_envoy_listens_on_the_front_port_and_the_statistics_only(stack: RunningStack) -> None:
    envoy = stack.pid("envoy")
    own = ports.sockets_of(envoy)
    settings = stack.context.settings
    expected = {settings.front_port, settings.envoy_stats_port}
    rows = [row.split() for row in (proc.PROC / "net/tcp").read_text().splitlines()[1:]]
    assert {int(row[1].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in own and row[3] == "0A"} == (
        expected
    )


@only_root
@pytest.mark.parametrize("path", ["/quitquitquit", "/drain_listeners", "/healthcheck/fail", "/config_dump"])
def test_another_account_does_not_reach_the_admin_interface(stack: RunningStack, path: str) -> None:
    admin = str(stack.context.envoy_admin)
    asked = as_stranger("curl", "-sS", "-X", "POST", "--unix-socket", admin, f"http://localhost{path}")
    assert asked.returncode != 0, asked.stdout
    assert from_admin(stack.context.envoy_admin, "/ready") == "LIVE\n"


def test_the_statistics_lead_to_no_command(platform: Platform) -> None:
    stats = platform.stack.addresses["envoy_stats"]
    for path in ("/quitquitquit", "/drain_listeners", "/stats/prometheus/../../quitquitquit", "/stats/prometheus"):
        done = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "-X", "POST", f"{stats}{path}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout in {"404", "405"}, path


@only_root
@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGSTOP])
def test_nobody_takes_the_front_port_while_envoy_is_down_and_the_next_order_is_ours(
    stack: RunningStack, deadly: signal.Signals
) -> None:
    attacker = start_as_stranger(*script_of_stranger(BINDS, str(stack.context.settings.front_port)))
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == "trying\n"
    envoy = stack.pid("envoy")
    restarts = stack.kill("envoy", deadly)
    if deadly == signal.SIGSTOP:
        stack.wait_until(lambda: stack.component("envoy").state == State.UNRESPONSIVE, 30, "it is seen")
        os.kill(envoy, signal.SIGCONT)
    answer = order(stack)
    if deadly == signal.SIGKILL:
        stack.await_restart("envoy", restarts)
    tried, *took = attacker.communicate("\n", timeout=30)[0].split()
    assert took == []
    assert int(tried) > 100
    assert '"status":"CREATED"' in answer.stdout, answer


def test_a_second_server_on_the_front_port_is_told(stack: RunningStack) -> None:
    """Of our own account: the kernel lets it share the port."""
    port = stack.context.settings.front_port
    owner = os.stat(f"/proc/{stack.pid('envoy')}").st_uid
    second = subprocess.Popen(
        [sys.executable if owner == os.geteuid() else "/usr/bin/python3", "-c", ANSWERS, str(port)],
        user=None if owner == os.geteuid() else owner,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert second.stdout is not None
        assert second.stdout.readline() == "listening\n"
        stack.wait_until(lambda: stack.component("envoy").state == State.DEGRADED, 30, "it is noticed")
        assert f"process {second.pid} (" in stack.component("envoy").detail
        assert f"answers on port {port} too" in stack.component("envoy").detail
    finally:
        second.communicate("\n", timeout=10)
    stack.wait_until(lambda: stack.component("envoy").state == State.READY, 30, "it is over")


def test_two_stacks_of_one_account_do_not_share_a_port(stack: RunningStack) -> None:
    assert not ports.is_free(stack.context.settings.front_port)
    assert not ports.is_free(stack.context.settings.envoy_stats_port)
