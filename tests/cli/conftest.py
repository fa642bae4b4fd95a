"""The `ordermesh` command in a state folder and on ports of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from accounts import somebody
from command import Place, as_person
from seed import seeded_home

from stack.machine.state_folder import temporary_home
from stack.prepare import prepare


@pytest.fixture
def place() -> Iterator[Place]:
    with temporary_home() as home:
        made = Place(home)
        yield made
        made.clear()


@pytest.fixture
def persons_place() -> Iterator[Place]:
    """Give a place to somebody who is not root."""
    with temporary_home() as home:
        prefix: tuple[str, ...] = ()
        if os.geteuid() == 0:
            prepare()
            person = somebody()
            os.chown(home, person.uid, person.gid)
            prefix = as_person(person)
        made = Place(home, prefix)
        yield made
        made.clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Place]:
    with seeded_home() as state:
        made = Place(state.home)
        assert made.run("up", "--detach").returncode == 0
        yield made
        made.clear()
