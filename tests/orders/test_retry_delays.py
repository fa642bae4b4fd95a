"""While a server does not answer, each program of orders waits longer from try to try, up to two seconds."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from orders import publish, serve
from orders.outbox import notifier
from orders.outbox.sender import KafkaUnavailable
from runtime.telemetry.outage import Outage

DOWN = psycopg.OperationalError("the server is down")


class Tried(Exception):
    """The program tried often enough."""


class Delays(list[float]):
    """Records the delays, and ends the program after the sixth."""

    def add(self, seconds: float) -> None:
        self.append(seconds)
        if len(self) == 6:
            raise Tried

    async def sleep(self, seconds: float) -> None:
        self.add(seconds)

    async def stops_within(self, _: asyncio.Event, seconds: float) -> bool:
        self.add(seconds)
        return False


class Stop(threading.Event):
    """A stop that is never requested, and records how long it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.delays = Delays()

    def wait(self, timeout: float | None = None) -> bool:
        self.delays.add(timeout or 0)
        return False


def forever(call: Callable[[], object]) -> None:
    while True:
        call()


async def no_connection(*_: object, **__: object) -> Any:
    raise DOWN


def test_the_publisher_waits_longer_from_try_to_try() -> None:
    stop, outage = Stop(), Outage("publishing")

    def refused() -> int:
        raise KafkaUnavailable("no broker")

    publisher: Any = SimpleNamespace(run_once=refused)
    unused: Any = None
    with pytest.raises(Tried):
        forever(lambda: publish.publish_all_shards(publisher, stop, outage, unused, rounds=1))
    assert stop.delays == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_the_notifier_waits_longer_from_try_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = Delays()
    monkeypatch.setattr(notifier, "connect_async", no_connection)
    monkeypatch.setattr(notifier.asyncio, "sleep", delays.sleep)
    with pytest.raises(Tried):
        asyncio.run(notifier.Notifier("host=127.0.0.1").run())
    assert delays == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_the_start_of_orders_waits_longer_from_try_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = Delays()
    monkeypatch.setattr(serve, "stops_within", delays.stops_within)
    services: Any = SimpleNamespace(connect=no_connection)
    with pytest.raises(Tried):
        asyncio.run(serve.wait_for_database(services, asyncio.Event()))
    assert delays == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
