"""Another account of this machine, and one of our own programs that was taken over, against what the host holds."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from seed import seeded_home, seeded_stack
from stranger import STRANGER, UNKNOWN, as_stranger, only_root, script_of_stranger, start_as_stranger
from waiting import await_true

from runtime.settings import settings_of
from stack.machine import ports
from stack.processes import privileges, proc
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process
from stack.processes.runners import running
from stack.processes.server_account import ENVOY, KAFKA, POSTGRES, SERVICES, find
from stack.running_stack import RunningStack, running_stack
from stack.servers.credentials import load_or_create
from stack.servers.postgres import Postgres

# A stack's own settings override some of these; what it does not override reaches the programs that have it.
MARKED = {
    "ORDERMESH_POSTGRES_ADMIN_DSN": "host=marked-admin",
    "ORDERMESH_ORDERS_DSN": "host=marked-orders",
    "ORDERMESH_ANALYTICS_DSN": "host=marked-analytics",
    "ORDERMESH_PROCESSOR_BATCH_EVENTS": "1234",
    "ORDERMESH_GATEWAY_MAX_WATCHERS": "63",
    "ORDERMESH_PUBLISHER_ACK_SECONDS": "4.5",
}
PROGRAMS = {
    "orders": "orders serve",
    "publisher": "orders publish",
    "analytics": "processor serve",
    "processor": "processor work",
    "gateway": "gateway",
}
# The passwords and keys that each component gets, by their names in credentials.json.
OWN_SECRETS = {
    "orders": {"orders_app", "token-keys"},
    "publisher": {"orders_publisher", "ordermesh-publisher"},
    "analytics": {"analytics_reader", "ordermesh-analytics", "token-keys"},
    "processor": {"analytics_worker", "ordermesh-processor"},
    "gateway": {"ordermesh-gateway", "token-keys"},
}
ACCOUNTS = {"postgres": POSTGRES, "kafka": KAFKA, "envoy": ENVOY} | dict.fromkeys(PROGRAMS, SERVICES)
DAC_READ_SEARCH = 1 << 2
HELD_CONNECTIONS = 300
# Tries to read, list and connect to paths; prints what succeeded.
INTRUDES = """
import json, os, socket, sys
done = []
for path in json.load(sys.stdin):
    try:
        with open(path, "rb") as file:
            file.read(1)
        done.append(path)
    except OSError:
        pass
    try:
        os.listdir(path)
        done.append(path)
    except OSError:
        pass
    try:
        os.readlink(path)
        done.append(path)
    except OSError:
        pass
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            done.append(path)
        except OSError:
            pass
print(json.dumps(done))
"""
# Sends each process a signal, and attaches to it; prints the pids with which that succeeded.
SIGNALS = """
import ctypes, json, os, sys
PTRACE_ATTACH = 16
libc = ctypes.CDLL(None)
done = []
for pid in json.load(sys.stdin):
    try:
        os.kill(pid, 0)
        done.append(pid)
    except OSError:
        pass
    if libc.ptrace(PTRACE_ATTACH, pid, 0, 0) == 0:
        done.append(pid)
print(json.dumps(done))
"""
# Holds connections that have sent a startup packet and no password.
HOLDS = """
import socket, struct, sys
port, count, held = int(sys.argv[1]), int(sys.argv[2]), []
start = struct.pack(">i", 196608) + b"user\\0orders_app\\0database\\0orders\\0\\0"
for _ in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(struct.pack(">i", len(start) + 4) + start)
    held.append(client)
print("holding", flush=True)
sys.stdin.read()
"""

pytestmark = [
    only_root,
    pytest.mark.skipif(privileges.MEASURED in os.environ, reason="what coverage measures runs as root"),
]


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with seeded_stack(env=MARKED) as running:
        yield running


def pids_of(stack: RunningStack, name: str) -> list[int]:
    return [stack.pid(name), *stack.children(name)]


def everything(stack: RunningStack) -> list[str]:
    """Return every path of the state folder and the folder of sockets."""
    roots = (stack.context.state.home, stack.context.run_dir)
    return [str(path) for root in roots for path in (root, *root.rglob("*"))]


def intrusions(paths: list[str], account: int) -> list[str]:
    done = as_stranger(*script_of_stranger(INTRUDES), account=account, given=json.dumps(paths))
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("account", [STRANGER, UNKNOWN])
def test_another_account_reads_lists_and_reaches_nothing_of_the_state(stack: RunningStack, account: int) -> None:
    paths = everything(stack)
    assert len(paths) > 100
    assert intrusions(paths, account) == []


@pytest.mark.parametrize("account", [STRANGER, UNKNOWN])
def test_another_account_sees_nothing_of_a_process_but_its_command_line(stack: RunningStack, account: int) -> None:
    pids = [pid for name in ACCOUNTS for pid in pids_of(stack, name)]
    names = ("environ", "mem", "maps", "fd", "cwd", "exe", "root", "stack", "syscall", "io")
    assert intrusions([f"/proc/{pid}/{name}" for pid in pids for name in names], account) == []
    shown = " ".join(proc.command_line(pid) for pid in pids)
    assert not [name for name, secret in stack.context.credentials.passwords.items() if secret in shown]


@pytest.mark.parametrize("account", [STRANGER, UNKNOWN])
def test_another_account_neither_signals_nor_traces_a_process(stack: RunningStack, account: int) -> None:
    pids = [os.getpid(), *(pid for name in ACCOUNTS for pid in pids_of(stack, name))]
    done = as_stranger(*script_of_stranger(SIGNALS), account=account, given=json.dumps(pids))
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_each_server_has_its_own_account_and_none_gains_rights(stack: RunningStack) -> None:
    for name, account in ACCOUNTS.items():
        for pid in pids_of(stack, name):
            status = status_of(pid)
            owners = {pwd.getpwuid(int(uid)).pw_name for uid in status["Uid"].split()}
            assert owners == {account}, (name, pid)
            assert status["Groups"].strip() == ""
            assert status["NoNewPrivs"] == "1"
            assert int(status["CapPrm"], 16) & ~DAC_READ_SEARCH == 0, name
    assert int(status_of(stack.pid("postgres"))["CapPrm"], 16) == 0


def status_of(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def test_each_program_gets_its_own_settings_and_secrets_only(stack: RunningStack) -> None:
    secrets = stack.context.credentials.passwords
    for name in ACCOUNTS:
        for pid in pids_of(stack, name):
            text = Path(f"/proc/{pid}/environ").read_text()
            held = {secret for secret, value in secrets.items() if value in text}
            assert held <= OWN_SECRETS.get(name, set()), (name, held)
            own = dict(entry.split("=", 1) for entry in text.split("\0") if entry.startswith("ORDERMESH_"))
            assert settings_of(PROGRAMS.get(name, ""), own) == own, name
            assert "marked-" not in text
    assert "1234" in Path(f"/proc/{stack.pid('processor')}/environ").read_text()
    assert "ORDERMESH_PROCESSOR_BATCH_EVENTS" not in Path(f"/proc/{stack.pid('gateway')}/environ").read_text()


def listening(pids: list[int]) -> set[int]:
    """Return the TCP ports that processes listen on."""
    held = set[str]().union(*(ports.sockets_of(pid) for pid in pids))
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def test_the_open_ports_are_these_and_only_the_front_takes_requests(stack: RunningStack) -> None:
    """Kafka and its controller refuse whoever has no user (test_kafka_attacks.py); PostgreSQL has no port."""
    settings = stack.context.settings
    metrics = {getattr(settings, f"{name}_metrics_port") for name in PROGRAMS}
    by_name = {name: listening(pids_of(stack, name)) for name in ACCOUNTS}
    assert by_name["postgres"] == set()
    assert by_name["kafka"] == {settings.kafka_port, settings.kafka_controller_port}
    assert by_name["envoy"] == {settings.front_port, settings.envoy_stats_port}
    assert set[int]().union(*(by_name[name] for name in PROGRAMS)) == metrics
    for port in metrics:
        for method in ("POST", "PUT", "DELETE"):
            answer = curl_status("-X", method, "-d", "x=1", f"http://127.0.0.1:{port}/metrics")
            assert answer in {"400", "403", "404", "405", "501"}, (port, method, answer)


def curl_status(*words: str) -> str:
    done = as_stranger("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", *words)
    return done.stdout


def test_another_account_takes_no_slot_of_postgresql(stack: RunningStack) -> None:
    """Seen before: 220 connections without a password used up all slots."""
    port = stack.context.settings.postgres_port
    done = as_stranger(*script_of_stranger(HOLDS, str(port), str(HELD_CONNECTIONS)))
    assert "ConnectionRefusedError" in done.stderr
    with psycopg.connect(stack.context.dsn("orders_app")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_over_tcp_held_connections_end_and_let_services_in_again() -> None:
    """PostgreSQL cannot tell them from a login that is slow: it ends them after `authentication_timeout`."""
    with seeded_home() as state:
        port, log = ports.allocate(1)[0], LogFile(state.logs / "postgres.log")
        credentials = load_or_create(state.credentials)
        server = Postgres(state.postgres, state.run_dir(), port, log, credentials, listen=ports.LOOPBACK)
        with running(server):
            attacker = start_as_stranger(*script_of_stranger(HOLDS, str(port), str(HELD_CONNECTIONS)))
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == "holding\n"

            def lets_in() -> bool:
                try:
                    psycopg.connect(server.dsn("orders_app")).close()
                except psycopg.OperationalError:
                    return False
                return True

            await_true(lets_in, "a service logs in while the connections are held")
            assert attacker.poll() is None
            attacker.communicate("\n")


@pytest.fixture
def taken_over(stack: RunningStack, tmp_path: Path) -> Any:
    """Return a function that runs a script as a service of the stack runs, and gives what it printed."""
    # The account passes it as it passes the folder of a stack.
    log = LogFile(stack.context.state.logs / "taken-over.log")

    def run(script: str, given: object) -> Any:
        context = stack.context
        granted = privileges.of_service({}, context.own_folders("publisher"), ())
        program = [sys.executable, "-P", "-c", script]
        command = Command("taken-over", program, {}, granted.account, granted.confinement, json.dumps(given).encode())
        log.path.unlink(missing_ok=True)
        process = Process(command, log)
        process.start()
        assert process.wait(60)
        assert process.returncode == 0, log.tail()
        return json.loads(log.tail(1))

    return run


def test_a_service_that_was_taken_over_reads_no_secret_of_the_host_or_of_others(
    stack: RunningStack, taken_over: Any
) -> None:
    context = stack.context
    secrets = [context.state.credentials, context.envoy_config, context.log("orders").path, context.state.postgres]
    secrets += [Path("/etc/shadow"), Path("/root"), Path("/etc/ssl/private"), context.state.kafka / "data"]
    others = [f"/proc/{pid}/{name}" for pid in pids_of(stack, "orders") for name in ("environ", "mem", "fd/1", "cwd")]
    assert taken_over(INTRUDES, [*map(str, secrets), *others, str(context.envoy_admin)]) == []


def test_a_service_that_was_taken_over_ends_no_other_process(stack: RunningStack, taken_over: Any) -> None:
    """The services share an account: the kernel confines signals and tracing to the process's own descendants."""
    pids = [os.getpid(), *(pid for name in ACCOUNTS for pid in pids_of(stack, name))]
    assert taken_over(SIGNALS, pids) == []


def test_the_database_asks_a_service_for_the_password_of_each_role(stack: RunningStack) -> None:
    """It reaches the socket, and has its own password alone."""
    account = find(SERVICES)
    assert account is not None
    server = stack.context.run_dir / "pg"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(f"{server}/.s.PGSQL.{stack.context.settings.postgres_port}")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(server), port=stack.context.settings.postgres_port, user="postgres")


def test_a_state_folder_of_an_earlier_version_is_taken_over() -> None:
    """There the servers' files were those of root and nobody."""
    with seeded_home() as state:
        nobody = find("nobody")
        assert nobody is not None
        subprocess.run(["chown", "-R", "nobody", state.postgres], check=True)
        subprocess.run(["chown", "-R", "root:root", state.home / "kafka"], check=True)
        earlier = state.home / "logs" / "up.log"
        earlier.parent.mkdir(mode=0o700)
        earlier.write_text("an earlier start")
        earlier.chmod(0o644)
        with running_stack(state.home) as stack:
            assert intrusions(everything(stack), STRANGER) == []
            assert (stack.context.state.postgres / "data").owner() == POSTGRES
            assert (stack.context.state.kafka / "data").owner() == KAFKA
