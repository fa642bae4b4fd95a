"""Starts platforms for scenarios: with proxies, on a small disk, with a moved clock, on one broker or three."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults.injection import disk
from faults.injection.clock import MovedClock
from faults.injection.launches import Launches
from faults.injection.network import Network
from faults.scenario import Needs
from faults.world import World
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.machine.state_folder import temporary_home
from stack.processes.process import started_through
from stack.running_stack import running_stack

# librdkafka cannot be moved: faults/injection/clock.py.
MOVED_SERVICES = ("orders",)


@contextlib.contextmanager
def platform(needs: Needs, brokers: int, *, brief: bool, **more: Any) -> Iterator[World]:
    """Start a platform with its products, and stop it at the end. Raises StackError and disk.NotPossible.

    `more` are further arguments of `running_stack`.
    """
    with contextlib.ExitStack() as held:
        home = held.enter_context(disk.small_home() if needs.small_disk else temporary_home())
        launches = Launches()
        network, settings = proxied(home, launches, held, brokers) if needs.proxies else (None, {})
        clock = held.enter_context(moved_clock()) if needs.moved_clock else None
        held.enter_context(started_through(launches))
        stack = held.enter_context(running_stack(home, kafka_brokers=brokers, **settings, **more))
        world = World(stack, launches, network, clock, brief=brief)
        world.customers.create_products()
        yield world


@contextlib.contextmanager
def moved_clock() -> Iterator[MovedClock]:
    """Start one service with a clock that can be moved. Raises LibraryMissing."""
    with tempfile.TemporaryDirectory(prefix="ordermesh-clock-") as folder:
        clock = MovedClock(Path(folder), MOVED_SERVICES)
        clock.set(datetime.now(UTC))
        try:
            with started_through(clock.launcher):
                yield clock
        finally:
            clock.clear()


def proxied(home: Path, launches: Launches, held: contextlib.ExitStack, brokers: int) -> tuple[Network, dict[str, Any]]:
    """Return proxies, and the settings of a platform behind them."""
    free = dict(zip(("front_port", "postgres_port"), ports.allocate(2), strict=True))
    network = Network(home, free, brokers)
    held.callback(network.close)
    network.route(launches)
    return network, {**free, "postgres_listen": LOOPBACK}
