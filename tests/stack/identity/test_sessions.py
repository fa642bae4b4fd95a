"""Sessions of the dashboard: a code is valid once and for minutes, a session until it is ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.audit.spool import Spool
from runtime.authentication import Authentication
from stack.identity.key_registry import KeyRegistry
from stack.identity.own_credentials import own_key
from stack.identity.session_credentials import KeySessions, session_credentials
from stack.identity.sessions import (
    CODE_SECONDS,
    COMMANDS_SOCKET,
    GATEWAY_SOCKET,
    MAX_CODES,
    MAX_SESSIONS,
    SESSION_SECONDS,
    Sessions,
    SessionServer,
)
from stack.machine.state_folder import StateFolder


class Made:
    """Credentials that count."""

    def __init__(self) -> None:
        self.count = 0
        self.ended: list[str] = []

    def create(self, lifetime_seconds: float) -> str:
        assert lifetime_seconds == SESSION_SECONDS
        self.count += 1
        return f"session-{self.count}"

    def end(self, credential: str) -> None:
        self.ended.append(credential)

    def revocations(self) -> int:
        return len(self.ended)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_code_opens_one_session_within_its_time() -> None:
    clock = Clock()
    sessions = Sessions(Made(), clock)
    code, late = sessions.code(), sessions.code()
    assert code != late
    assert len(code) >= 43
    assert sessions.begin(code) == "session-1"
    assert sessions.begin(code) == ""
    assert sessions.begin("guessed") == ""
    clock.seconds = CODE_SECONDS + 1
    assert sessions.begin(late) == ""


def test_several_sessions_end_one_by_one_and_all_with_the_stack() -> None:
    made = Made()
    sessions = Sessions(made)
    first, second, third = (sessions.begin(sessions.code()) for _ in range(3))
    sessions.end(second)
    sessions.end(second)
    sessions.end("an API key of somebody else")
    assert made.ended == [second]
    waiting = sessions.code()
    sessions.end_all()
    assert sorted(made.ended) == sorted([first, second, third])
    assert sessions.begin(waiting) == ""


def test_what_is_kept_is_bounded() -> None:
    made = Made()
    sessions = Sessions(made)
    codes = [sessions.code() for _ in range(MAX_CODES + 1)]
    assert sessions.begin(codes[0]) == ""
    for _ in range(MAX_SESSIONS + 1):
        sessions.begin(sessions.code())
    assert made.ended == ["session-1"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Made]]:
    made = Made()
    server = SessionServer(Sessions(made), tmp_path / COMMANDS_SOCKET, tmp_path / GATEWAY_SOCKET, None, os.getpid)
    yield tmp_path, made
    server.close()


def ask(path: Path, line: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(10)
        asking.connect(str(path))
        asking.sendall(line)
        return asking.makefile().readline().strip()


def test_commands_get_codes_and_the_gateway_sessions_and_neither_the_other(served: tuple[Path, Made]) -> None:
    folder, made = served
    code = ask(folder / COMMANDS_SOCKET, b"code\n")
    assert ask(folder / GATEWAY_SOCKET, b"code\n") == ""
    assert ask(folder / COMMANDS_SOCKET, f"begin {code}\n".encode()) == ""
    assert ask(folder / GATEWAY_SOCKET, f"begin {code}\n".encode()) == f"session-1 {SESSION_SECONDS}"
    assert ask(folder / GATEWAY_SOCKET, f"begin {code}\n".encode()) == ""
    ask(folder / GATEWAY_SOCKET, b"end session-1\n")
    assert made.ended == ["session-1"]
    assert ask(folder / GATEWAY_SOCKET, b"revocations\n") == "1"
    assert ask(folder / COMMANDS_SOCKET, b"revocations\n") == ""
    for socket_name in (COMMANDS_SOCKET, GATEWAY_SOCKET):
        assert (folder / socket_name).stat().st_mode & 0o777 == 0o600


def test_another_process_of_the_gateways_account_gets_no_session(served: tuple[Path, Made]) -> None:
    """Such as a service that was taken over, and got a code by taking the place of the gateway."""
    folder, made = served
    code = ask(folder / COMMANDS_SOCKET, b"code\n")
    script = "import socket, sys; asking = socket.socket(socket.AF_UNIX); asking.connect(sys.argv[1]);"
    script += "asking.sendall(sys.argv[2].encode() + b'\\n'); print(asking.makefile().readline())"
    for line in (f"begin {code}", "revocations"):
        words = [sys.executable, "-c", script, str(folder / GATEWAY_SOCKET), line]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.stdout.strip() == ""
    assert made.count == 0
    assert ask(folder / GATEWAY_SOCKET, f"begin {code}\n".encode()) == f"session-1 {SESSION_SECONDS}"


@pytest.mark.parametrize("line", [b"\n", b"begin\n", b"\xff\n", b"begin a b\n", b"x" * 5000 + b"\n", b"end \x00\n"])
def test_anything_else_gets_nothing(served: tuple[Path, Made], line: bytes) -> None:
    folder, made = served
    for socket_name in (COMMANDS_SOCKET, GATEWAY_SOCKET):
        try:
            assert ask(folder / socket_name, line) == ""
        except ConnectionError:
            continue
    assert made.count == 0


def test_each_key_that_ends_is_a_revocation_and_none_that_begins(tmp_path: Path) -> None:
    registry = KeyRegistry(StateFolder(tmp_path))
    spool = Spool(tmp_path / "audit-spool.jsonl")
    credentials = KeySessions(registry, spool)
    for subject in ("first", "second"):
        registry.create("customer", subject)
    assert credentials.revocations() == 0
    first, second = registry.current()
    registry.revoke(first.id)
    assert [credentials.revocations() for _ in range(2)] == [1, 1]
    registry.rotate(second.id)
    assert credentials.revocations() == 2
    # Also of one that nobody saw while it was valid.
    registry.create("customer", "third", lifetime_seconds=-1)
    registry.drop_expired()
    assert credentials.revocations() == 3


@pytest.mark.parametrize("authentication", ["keys", "jwt"])
def test_each_session_is_recorded_before_it_is_valid(tmp_path: Path, authentication: Authentication) -> None:
    state = StateFolder(tmp_path)
    credentials = session_credentials(authentication, state)
    assert credentials is not None
    sessions = Sessions(credentials)
    assert sessions.begin("guessed") == ""
    made = sessions.begin(sessions.code())
    assert made
    (entry,) = (json.loads(line) for line in state.audit_spool.read_text().splitlines())
    assert (entry["action"], entry["target"], entry["role"]) == ("session begin", "operator:dashboard", "operator")
    after = json.loads(entry["after"])
    assert after["seconds"] == SESSION_SECONDS
    assert [key.id for key in KeyRegistry(state).current()] == ([after["id"]] if authentication == "keys" else [])
    assert made not in state.audit_spool.read_text()


def test_a_key_that_the_stack_makes_for_itself_is_recorded_once(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert own_key(state) == own_key(state)
    state.operator_key.unlink()
    own_key(state)
    entries = [json.loads(line) for line in state.audit_spool.read_text().splitlines()]
    assert [(each["action"], each["target"]) for each in entries] == [("keys create", "operator:stack")] * 2
    assert [json.loads(each["after"])["id"] for each in entries] == [key.id for key in KeyRegistry(state).current()]
