"""What the desk does with the dead events of an orders database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from auditing import TESTER
from ordermesh.gateway.v1.dead_letters_pb2 import ListDeadLettersRequest

from orders.outbox import dead_events
from orders.outbox.dead_events import DeadEvent
from runtime.dead_letter_messages import DISCARD, REDRIVE, filter_parameters
from runtime.postgres.connection_types import AsyncConnection
from runtime.postgres.connections import connect_async

Answer = TypeVar("Answer")


def listed(dsn: str) -> list[DeadEvent]:
    """Return the events that are DEAD."""
    filters = filter_parameters(ListDeadLettersRequest())
    return connected(dsn, lambda connection: dead_events.page(connection, filters, 0, 100))[1]


def redriven(dsn: str, ids: Sequence[int]) -> list[int]:
    """Publish dead events again; return those that were."""
    return sorted(connected(dsn, lambda connection: dead_events.change(connection, ids, REDRIVE, TESTER)))


def discarded(dsn: str, ids: Sequence[int]) -> list[int]:
    """Discard dead events; return those that were."""
    return sorted(connected(dsn, lambda connection: dead_events.change(connection, ids, DISCARD, TESTER)))


def connected(dsn: str, call: Callable[[AsyncConnection], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        async with await connect_async(dsn, "tests") as connection:
            return await call(connection)

    return asyncio.run(run())
