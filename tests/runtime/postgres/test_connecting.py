"""No program waits long for a PostgreSQL that takes connections and never answers."""

import ast
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from signed_tokens import TOKEN_KEYS

from runtime.postgres.connections import connect, migrate
from stack.errors import ServerFailed
from stack.machine import ports
from stack.servers.credentials import load_or_create
from stack.servers.databases import provision

ROOT = Path(__file__).parents[3]
# Below psycopg's own limit of 130 s, and above what a busy machine needs to start six programs.
BOUND_SECONDS = 100
TOLD = "connection timeout expired"
PROGRAMS = {
    "orders migrate": ["-m", "orders", "migrate"],
    "processor migrate": ["-m", "processor", "migrate"],
    "orders serve": ["-m", "orders", "serve"],
    "orders publish": ["-m", "orders", "publish"],
    "processor work": ["-m", "processor", "work"],
    "outbox": ["-m", "cli", "outbox"],
}


@pytest.fixture(scope="module")
def silent_dsn() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"postgresql://user:word@127.0.0.1:{server.getsockname()[1]}/db"


def tells(arguments: list[str], dsn: str, home: Path) -> str:
    """Run a program until it tells of the timeout or ends, and return what it said."""
    env = {name: value for name, value in os.environ.items() if name != "PGCONNECT_TIMEOUT"} | {
        "ORDERMESH_HOME": str(home),
        "ORDERMESH_ORDERS_DSN": dsn,
        "ORDERMESH_ANALYTICS_DSN": dsn,
        "ORDERMESH_ORDERS_LISTEN": f"unix:{home}/{{index}}.sock",
        "ORDERMESH_METRICS_ADDRESS": f"127.0.0.1:{ports.allocate(1)[0]}",
        "ORDERMESH_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "ORDERMESH_TOKEN_KEYS": TOKEN_KEYS,
        "COLUMNS": "1000",
    }
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if TOLD in line:
            break
    process.terminate()
    process.communicate()
    return said


@pytest.mark.more
def test_each_program_says_so_in_time(silent_dsn: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(PROGRAMS)) as threads:
        running = {}
        for number, (name, arguments) in enumerate(PROGRAMS.items()):
            home = tmp_path / str(number)
            home.mkdir()
            running[name] = threads.submit(tells, arguments, silent_dsn, home)
        for name, saying in running.items():
            assert TOLD in saying.result(BOUND_SECONDS), name


def test_what_the_stack_asks_a_database_ends_in_time(
    silent_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT")
    with pytest.raises(ServerFailed, match=TOLD):
        provision(silent_dsn, load_or_create(tmp_path / "credentials.json"))


def test_only_one_module_makes_connections() -> None:
    """So that each has a time limit; the module's own functions are used above."""
    assert connect.__module__ == migrate.__module__ == "runtime.postgres.connections"
    makers = {"psycopg.connect", "psycopg.AsyncConnection.connect", "psycopg.Connection.connect"}
    makers |= {"Connection.connect", "AsyncConnection.connect", "AsyncConnectionPool", "ConnectionPool"}
    makers |= {"LoggedIn.connect", "AsyncLoggedIn.connect"}
    found = []
    for package in ("runtime", "gateway", "orders", "processor", "loadgen", "stack", "cli", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in makers:
                    found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"runtime/postgres/connections.py"}
