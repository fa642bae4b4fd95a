"""A stream ends while its client would go on: with a message that says why."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from ordermesh.gateway.v1.watch_pb2 import Ended

from gateway.backends.stream_credentials import StreamCredentials
from gateway.settings import GatewaySettings
from gateway.watch.stream_end import while_valid, with_end_message
from runtime.audit.spool import Spool
from runtime.errors import Unavailable
from stack.identity.key_registry import KeyRegistry
from stack.identity.session_credentials import KeySessions
from stack.identity.sessions import COMMANDS_SOCKET, GATEWAY_SOCKET, Sessions, SessionServer
from stack.machine.state_folder import StateFolder


@pytest.fixture
async def numbers() -> AsyncIterator[AsyncGenerator[int | str]]:
    """Yield 0, 1, 2 … without an end."""

    async def counting() -> AsyncGenerator[int | str]:
        for number in range(1_000_000):
            yield number

    async with aclosing(counting()) as made:
        yield made


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def until_its_end(numbers: AsyncGenerator[int | str], ended: Callable[[], bool]) -> AsyncGenerator[int | str]:
    return with_end_message(
        while_valid(numbers, ended), lambda last, ended: f"{Ended.DESCRIPTOR.name} {ended.code} after {last}"
    )


async def test_a_stream_ends_when_credentials_are_to_be_shown_again(numbers: AsyncGenerator[int | str]) -> None:
    clock = Clock()
    messages = until_its_end(numbers, StreamCredentials("", 900.0, clock).begin())
    assert [await anext(messages) for _ in range(2)] == [0, 1]
    clock.seconds = 900.0
    # What was not sent is not behind the client when it resumes.
    assert await anext(messages) == "Ended 14 after 1"
    with pytest.raises(Unavailable, match="resume with the revision"):
        await anext(messages)


async def test_a_revoked_key_ends_the_streams_that_were_open_by_then(
    numbers: AsyncGenerator[int | str], tmp_path: Path
) -> None:
    registry = KeyRegistry(StateFolder(tmp_path))
    registry.create("customer", "grace")
    sockets = tmp_path / COMMANDS_SOCKET, tmp_path / GATEWAY_SOCKET
    sessions = Sessions(KeySessions(registry, Spool(tmp_path / "spool.jsonl")))
    server = SessionServer(sessions, *sockets, None, os.getpid)
    credentials = StreamCredentials(str(sockets[1]), 900.0)
    await credentials.update()
    messages = until_its_end(numbers, credentials.begin())
    assert await anext(messages) == 0
    registry.revoke(registry.current()[0].id)
    await credentials.update()
    # Opened in the moment in which the front proxy still accepted the key.
    late = credentials.begin()
    assert await anext(messages) == 1
    await credentials.update()
    assert await anext(messages) == "Ended 14 after 1"
    assert late()
    ended = credentials.begin()
    server.close()
    await credentials.update()
    assert not ended()


@pytest.mark.parametrize(("auth", "limited"), [("off", False), ("keys", True), ("jwt", True)])
def test_streams_are_limited_where_callers_are_authenticated(
    monkeypatch: pytest.MonkeyPatch, auth: str, limited: bool
) -> None:
    monkeypatch.setenv("ORDERMESH_TOKEN_KEYS", "k" * 32)
    monkeypatch.setenv("ORDERMESH_AUTH", auth)
    assert (GatewaySettings.load().stream_seconds <= 900) == limited
