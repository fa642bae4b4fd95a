"""Stacks that find their ports by themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from command import Place, await_true
from seed import seeded_home

from cli.demo.demo import usable_settings
from stack.machine.ports import LOOPBACK
from stack.settings import StackSettings


@pytest.fixture
def two_places() -> Iterator[list[Place]]:
    """Give two folders without a port in their settings."""
    with ExitStack() as held:
        places = [Place(held.enter_context(seeded_home()).home) for _ in range(2)]
        for place in places:
            for name in place.ports:
                place.env.pop(name, None)
        yield places
        for place in places:
            place.clear()


# In short: stack/test_stack_settings.py.
@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_stacks_that_start_at_once_in_two_folders_both_become_ready(two_places: list[Place]) -> None:
    ups = [place.start("up") for place in two_places]

    def said() -> str:
        return "\n".join(place.said() for place in two_places)

    for place in two_places:
        await_true(lambda place=place: place.ready() or any(up.poll() is not None for up in ups), said)
    assert all(place.ready() for place in two_places), said()
    assert len({place.status.addresses["grpc"] for place in two_places}) == 2
    assert "the default ports are in use: all ports are moved by " in said()
    assert "is taken by" not in said()


def test_a_demo_on_other_ports_prints_the_offset(capsys: pytest.CaptureFixture[str]) -> None:
    usual = StackSettings()
    with ExitStack() as held:
        # Where something else has the port already, it is as taken.
        with suppress(OSError):
            held.enter_context(socket.create_server((LOOPBACK, usual.front_port)))
        chosen = usable_settings()
    said = capsys.readouterr().out
    assert chosen.port_offset > 0
    assert said == f"the default ports are in use: all ports are moved by {chosen.port_offset}\n"
