"""FastStream on confluent-kafka: counts each event, or a batch, in a transaction, then commits the offset.

An event is acknowledged after its handler and read again on failure (NACK_ON_ERROR). FastStream then handles one
message at a time; `max_workers` is for consumers that acknowledge first. Its command uses uvloop as well. Logging is
off, which is to its advantage. Batches are its documented way to increase throughput.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import uvloop
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from faststream.security import SASLScram512
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from bench.peers.programs.kafka import BOOTSTRAP, PASSWORD, USER
from bench.peers.programs.queries import QUERIES

BATCH_EVENTS = int(os.environ["PEER_BATCH_EVENTS"])

broker = KafkaBroker(BOOTSTRAP, security=SASLScram512(USER, PASSWORD, use_ssl=False), logger=None)
pool = AsyncConnectionPool(os.environ["PEER_DSN"], open=False)


class Event(BaseModel):
    """An event in the topic."""

    orderId: UUID
    totalMinor: int


async def count(event: Event) -> None:
    """Count an event, once."""
    async with pool.connection() as connection:
        new = await connection.execute(QUERIES["insert_counted"], (event.orderId,))
        if await new.fetchone():
            await connection.execute(QUERIES["add_metrics"], (1, event.totalMinor))


async def count_batch(events: list[Event]) -> None:
    """Count the events of a batch, each once."""
    totals = {event.orderId: event.totalMinor for event in events}
    async with pool.connection() as connection:
        new = await connection.execute(QUERIES["insert_counted_batch"], (list(totals),))
        minor = [totals[row[0]] for row in await new.fetchall()]
        await connection.execute(QUERIES["add_metrics"], (len(minor), sum(minor)))


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Keep the connections open."""
    async with pool:
        yield


def main() -> None:
    """Count until the process is stopped."""
    several = BATCH_EVENTS > 1
    subscribe = broker.subscriber(
        os.environ["PEER_TOPIC"],
        group_id=f"faststream-{BATCH_EVENTS}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        batch=several,
        max_records=BATCH_EVENTS,
    )
    subscribe(count_batch if several else count)
    uvloop.run(FastStream(broker, lifespan=lifespan, logger=None).run())


if __name__ == "__main__":
    main()
