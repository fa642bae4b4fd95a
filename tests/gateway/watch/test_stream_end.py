"""A stream ends while its client would go on: with a message that says why."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest
from ordermesh.gateway.v1.watch_pb2 import Ended

from gateway.settings import GatewaySettings
from gateway.watch.stream_end import at_most, with_end_message
from runtime.errors import Unavailable


@pytest.fixture
async def numbers() -> AsyncIterator[AsyncGenerator[int | str]]:
    """Yield 0, 1, 2 … without an end."""

    async def counting() -> AsyncGenerator[int | str]:
        for number in range(1_000_000):
            yield number

    async with aclosing(counting()) as made:
        yield made


async def test_a_stream_ends_when_credentials_are_to_be_shown_again(numbers: AsyncGenerator[int | str]) -> None:
    clock = iter((100.0, 101.0, 999.0, 1000.0))
    limited = at_most(numbers, 900.0, now=lambda: next(clock))
    messages = with_end_message(limited, lambda ended: f"{Ended.DESCRIPTOR.name} {ended.code}")
    assert [await anext(messages) for _ in range(4)] == [0, 1, 2, "Ended 14"]
    with pytest.raises(Unavailable, match="resume with the revision"):
        await anext(messages)


@pytest.mark.parametrize(("auth", "limited"), [("off", False), ("keys", True), ("jwt", True)])
def test_streams_are_limited_where_callers_are_authenticated(
    monkeypatch: pytest.MonkeyPatch, auth: str, limited: bool
) -> None:
    monkeypatch.setenv("ORDERMESH_TOKEN_KEYS", "k" * 32)
    monkeypatch.setenv("ORDERMESH_AUTH", auth)
    assert (GatewaySettings.load().stream_seconds <= 900) == limited
