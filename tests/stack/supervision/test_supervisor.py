import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psycopg
import pytest
from created_topics import make_topic
from kafka_broker import fields
from psycopg.conninfo import make_conninfo
from seed import plant, seeded_stack
from shared_stack import shared_stack
from waiting import PATIENCE_SECONDS, await_true

import stack
from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings
from stack.errors import PortTaken, ServerFailed, StateInUse
from stack.machine import ports
from stack.processes import proc
from stack.running_stack import RunningStack, temporary_home
from stack.servers.credentials import KAFKA_BROKER, load_or_create
from stack.settings import StackSettings
from stack.supervision.orphans import stop_running
from stack.supervision.stack_supervisor import Stack
from stack.supervision.status import StackStatus, State, read_status
from stack.supervision.status_board import StateChange

SERVING = ("orders", "publisher", "processor", "analytics", "gateway", "envoy")


@pytest.fixture(scope="module")
def running() -> RunningStack:
    return shared_stack()


def answers(running: RunningStack) -> bool:
    try:
        with urllib.request.urlopen(f"{running.rest}/orders", timeout=2) as reply:
            return reply.status == 200 and isinstance(json.load(reply), list)
    except OSError:
        return False


def test_everything_is_ready_and_a_request_comes_through(running: RunningStack) -> None:
    assert running.stack.status.ready
    assert answers(running)


def test_the_status_file_says_what_runs_and_holds_no_password(running: RunningStack) -> None:
    path = running.stack.state.status
    status = read_status(path)
    assert status is not None
    assert status.running
    assert status.supervisor.pid == os.getpid()
    assert status.addresses["rest"] == running.rest
    assert all(status.components[name].process_id.alive() for name in SERVING)  # type: ignore[union-attr]
    assert path.stat().st_mode & 0o077 == 0
    assert not any(password in path.read_text() for password in running.context.credentials.passwords.values())


@pytest.mark.parametrize("name", ["postgres", "kafka", *SERVING])
def test_a_killed_component_is_restarted(running: RunningStack, name: str) -> None:
    restarts = running.kill(name)
    running.await_restart(name, restarts)
    running.wait_until(lambda: answers(running), PATIENCE_SECONDS, "a request comes through again")


def test_the_end_of_a_component_is_logged_with_its_reason(running: RunningStack) -> None:
    restarts = running.kill("publisher")
    running.await_restart("publisher", restarts)
    lines = (running.stack.state.logs / "supervisor.log").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert {
        "ordermesh.component": "publisher",
        "ordermesh.detail": "killed by SIGKILL",
        "log.level": "warning",
    }.items() <= [
        line for line in told if line.get("ordermesh.component") == "publisher" and line["message"] == "component down"
    ][-1].items()


def test_a_second_stack_with_the_same_state_folder_is_rejected(running: RunningStack) -> None:
    with pytest.raises(StateInUse, match=f"pid {os.getpid()}"):
        Stack(running.stack.state.home, StackSettings.with_free_ports()).up()
    assert answers(running)


def test_a_taken_port_is_reported_before_anything_starts() -> None:
    with temporary_home() as home, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} \(ORDERMESH_FRONT_PORT\)"):
            Stack(home, StackSettings.with_free_ports(front_port=port)).up()
        assert not (home / "postgres").exists()


def test_a_port_that_is_taken_while_the_servers_start_is_reported() -> None:
    with temporary_home() as home, socket.socket() as other:
        plant(home)
        settings = StackSettings.with_free_ports(postgres_listen=ports.LOOPBACK)

        def take(_: StateChange) -> None:
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", settings.postgres_port))
                other.listen()

        with pytest.raises(PortTaken, match=rf"port {settings.postgres_port} \(ORDERMESH_POSTGRES_PORT\)"):
            Stack(home, settings, on_state_change=take).up()


def test_a_component_that_cannot_start_stops_the_others_and_is_reported() -> None:
    env = {"ORDERMESH_ORDERS_MAX_IN_FLIGHT": "many"}
    with temporary_home() as home:
        plant(home)
        made = Stack(home, StackSettings.with_free_ports(), env=env)
        with pytest.raises(ServerFailed, match="ORDERMESH_ORDERS_MAX_IN_FLIGHT"):
            made.up()
        assert not any(one.pid for one in made.status.components.values())
        assert not proc.working_in(home / "kafka", "java")


def test_a_start_can_be_interrupted_and_leaves_nothing() -> None:
    with temporary_home() as home:
        interrupted = threading.Event()
        made = Stack(home, StackSettings.with_free_ports(), on_state_change=lambda event: interrupted.set())
        made.up(interrupted)
        made.down()
        assert not any(one.pid for one in made.status.components.values())


RUN = """
import signal, sys, threading
from pathlib import Path
from stack.settings import StackSettings
from stack.supervision.stack_supervisor import Stack
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
made = Stack(Path(sys.argv[1]), StackSettings.with_free_ports())
made.up(stop)
print("ready", flush=True)
stop.wait()
made.down()
"""


def start_elsewhere(home: Path) -> subprocess.Popen[str]:
    root = Path(stack.__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(home)], cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def recorded_pids(home: Path) -> list[int]:
    status = read_status(home / "stack.json")
    assert status is not None
    own = [one.pid for one in status.components.values() if one.pid is not None]
    return own + [child for pid in own for child in proc.descendants(pid)]


def await_gone(pids: list[int]) -> None:
    def left() -> list[int]:
        return [pid for pid in pids if proc.identify(pid) is not None]

    await_true(lambda: not left(), lambda: str([proc.command_line(pid) for pid in left()]))


def store_something(home: Path, process: subprocess.Popen[str]) -> None:
    status = read_status(home / "stack.json")
    assert status is not None
    client = clients.probe(everything(home, status))
    make_topic(client, "kept")
    with psycopg.connect(admin_dsn(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def everything(home: Path, status: StackStatus) -> KafkaSettings:
    properties = load_or_create(home / "credentials.json").kafka(KAFKA_BROKER)
    return KafkaSettings(kafka_bootstrap=status.addresses["kafka"], kafka_properties=properties)


def admin_dsn(home: Path) -> str:
    status = read_status(home / "stack.json")
    assert status is not None
    password = json.loads((home / "credentials.json").read_text())["postgres"]
    return make_conninfo(status.servers.postgres, user="postgres", password=password, dbname="postgres")


def assert_kept(home: Path) -> None:
    status = read_status(home / "stack.json")
    assert status is not None
    client = clients.probe(everything(home, status))
    assert "kept" in client.list_topics(timeout=5).topics
    with psycopg.connect(admin_dsn(home)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


# In short: cli/local/test_lifecycle.py.
@pytest.mark.long
def test_data_survives_down_from_another_terminal_and_sigkill_of_everything() -> None:
    with temporary_home() as home:
        plant(home)
        first = start_elsewhere(home)
        store_something(home, first)
        pids = recorded_pids(home)
        assert stop_running(home / "stack.json", 60)
        first.communicate(timeout=10)
        assert first.returncode == 0
        await_gone(pids)
        assert not stop_running(home / "stack.json", 1)

        second = start_elsewhere(home)
        assert_kept(home)
        for pid in (second.pid, *recorded_pids(home)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        second.communicate(timeout=10)

        third = start_elsewhere(home)
        assert_kept(home)
        pids = recorded_pids(home)
        third.kill()
        third.communicate(timeout=10)
        await_gone(pids)


def test_ports_of_external_servers_are_not_reserved() -> None:
    given = StackSettings.with_free_ports(kafka_bootstrap="broker:9092", postgres_admin_dsn="postgresql://db/postgres")
    names = set(given.local_ports())
    assert "ORDERMESH_FRONT_PORT" in names
    assert not names & {"ORDERMESH_KAFKA_PORT", "ORDERMESH_KAFKA_CONTROLLER_PORT", "ORDERMESH_POSTGRES_PORT"}


def test_external_servers_are_used_and_not_started(running: RunningStack) -> None:
    kafka, dsn = running.context.kafka_settings(KAFKA_BROKER), running.context.admin_dsn
    # Of the same seed, it has the same passwords: others would replace those of the stack that runs.
    with seeded_stack(postgres_admin_dsn=dsn, **fields(kafka)) as beside:
        assert "postgres" not in beside.stack.status.components
        assert "kafka" not in beside.stack.status.components
        assert answers(beside)
        assert beside.component("orders").state == State.READY
    assert ports.is_free(beside.stack.settings.front_port)
