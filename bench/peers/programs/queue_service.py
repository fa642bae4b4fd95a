"""The REST service with procrastinate as the outbox, which requires psycopg below SQLAlchemy."""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from bench.peers.programs import jobs
from bench.peers.programs.rest_service import NewOrder, Order, store

app = FastAPI()


@app.post("/orders")
async def create(order: NewOrder) -> Order:
    """Create an order."""
    return await store(order, defer)


async def defer(session: AsyncSession, order_id: str, total_minor: int) -> None:
    """Defer the job that sends the event, in the transaction of the order."""
    pooled = await (await session.connection()).get_raw_connection()
    job = jobs.send.configure(connection=pooled.driver_connection)
    await job.defer_async(order_id=order_id, total_minor=total_minor)
