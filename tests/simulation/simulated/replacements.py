"""Has the product's modules use the simulated clock and servers, where they use real ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from orders import publish
from orders.domain import events, ids
from orders.outbox import publisher as publisher_module
from orders.writes import writer_connection
from processor import worker as worker_module
from runtime.kafka import clients
from runtime.kafka.records import raw_headers
from runtime.postgres import connections
from runtime.telemetry import logging
from simulated.kafka.admin import Admin
from simulated.kafka.consumer import Consumer
from simulated.kafka.producer import Producer

if TYPE_CHECKING:
    from simulated.world import World

PRODUCT = ("orders.", "processor.", "runtime.")
# Fewer than in reality, so that publishers compete for them.
SHARDS = 4


class Silence:
    """In place of the logger."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def product_modules() -> list[ModuleType]:
    """Return the loaded modules of the product."""
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(PRODUCT)]


@contextmanager
def in_place_of_servers(world: World, *, logs: bool) -> Iterator[None]:
    """Have the programs use the simulated clock and servers, where they use real ones."""
    silence, broker, logger = Silence(), world.broker, logging.logger
    with ExitStack() as stack:

        def replace(place: Any, name: str, value: Any) -> None:
            stack.enter_context(patch.object(place, name, value))

        for module in product_modules():
            if getattr(module, "time", None) is time:
                replace(module, "time", world.time)
            if not logs and getattr(module, "logger", None) is logger:
                replace(module, "logger", lambda: silence)
        replace(ids, "_random", Random(world.scheduler.seed))
        replace(publisher_module, "os", SimpleNamespace(getpid=lambda: world.scheduler.current.number))
        for module in (events, publisher_module, publish):
            replace(module, "SHARDS", SHARDS)
        replace(publish, "connect", world.connect_orders)
        replace(writer_connection, "connect_async", world.connect_async)
        replace(connections, "connect", world.connect_analytics)
        replace(worker_module, "RareCollector", lambda _: SimpleNamespace(collect=lambda: None))
        replace(clients, "consumer", lambda _, __, ___, protocol: Consumer(broker, protocol == "consumer"))
        replace(raw_headers, "read", broker.raw_headers)
        replace(clients, "admin", lambda *_: Admin(broker))
        replace(
            clients, "producer", lambda _, __, properties: Producer(broker, properties.get("batch.num.messages", 20))
        )
        yield
