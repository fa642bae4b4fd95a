"""Fixtures for the tests of the clients: one stack per session, and a faulty server per test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seed import seeded_stack

from stack.running_stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients" / "python"))

from faulty_server import FaultyServer  # noqa: E402 - after the path is set


@pytest.fixture(scope="session")
def client_stack() -> Iterator[RunningStack]:
    with seeded_stack() as stack:
        yield stack


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    server = FaultyServer()
    yield server
    server.stop()
