"""A stack that may hold few files open: clients are refused at worst, none waits, and it recovers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from command import Place, await_true
from seed import seeded_home
from short_clients import one_call, short_clients

from stack.machine.state_folder import temporary_home

OPEN_FILES = 1_024
CLIENTS = 1_500


def limited(open_files: int) -> tuple[str, ...]:
    """Return the start of a command line that runs with a limit of open files."""
    return ("sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh")


@pytest.mark.parametrize("words", [("up",), ("up", "-d")])
def test_too_few_descriptors_are_reported_before_anything_starts(words: tuple[str, ...]) -> None:
    with temporary_home() as home:
        place = Place(home, limited(256))
        ended = place.run(*words)
        assert ended.returncode not in (0, 1)
        (line,) = (ended.stdout + ended.stderr).strip().splitlines()
        assert line == "ordermesh: Envoy needs at least 512 open files, the limit is 256 (ulimit -n)"
        assert not (home / "stack.json").exists()
        looked = place.run("doctor")
        assert "`ordermesh up` needs at least 512" in looked.stdout
        assert looked.returncode == 1


@pytest.fixture
def narrow_place() -> Iterator[Place]:
    with seeded_home() as state:
        place = Place(state.home, limited(OPEN_FILES))
        place.env["ORDERMESH_ORDERS_LANE"] = "true"
        yield place
        place.clear()


@pytest.mark.long
def test_with_few_descriptors_clients_are_rejected_at_worst_and_it_recovers(narrow_place: Place) -> None:
    narrow_place.start("up")
    await_true(lambda: "dashboard:" in narrow_place.said(), narrow_place.said)
    assert "open files: 1024 for each process: at most 298 concurrent client connections" in narrow_place.said()
    target = narrow_place.status.addresses["grpc"]
    assert asyncio.run(short_clients(target, CLIENTS)) == {"order": CLIENTS}
    host, _, port = target.rpartition(":")
    # More than the limit, and all of them stay.
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(OPEN_FILES)]
    outcomes = asyncio.run(short_clients(target, 50))
    assert set(outcomes) == {"refused"}, outcomes
    for connection in held:
        connection.close()
    await_true(lambda: asyncio.run(one_call(host, int(port))) == "order", narrow_place.said)
    assert narrow_place.order()
    assert narrow_place.ready()
