"""FastAPI on uvicorn with SQLAlchemy on asyncpg: POST /orders, validated by pydantic, one transaction per order."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, DateTime, ForeignKey, LargeBinary
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables."""


class OrderRow(Base):
    """An order."""

    __tablename__ = "peer_order"
    order_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    status: Mapped[str]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ItemRow(Base):
    """An item of an order."""

    __tablename__ = "peer_item"
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("peer_order.order_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[str]
    quantity: Mapped[int]
    price_minor: Mapped[int] = mapped_column(BigInteger)


class OutboxRow(Base):
    """An event."""

    __tablename__ = "peer_outbox"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class Item(BaseModel):
    """An item as clients send it."""

    productId: str = Field(min_length=1, max_length=64)
    quantity: int = Field(gt=0)
    price: float = Field(ge=0)


class NewOrder(BaseModel):
    """An order as clients send it."""

    customerId: str = Field(min_length=1, max_length=128)
    items: list[Item] = Field(min_length=1, max_length=1000)


class Order(BaseModel):
    """The response."""

    orderId: uuid.UUID
    status: str
    totalPrice: float
    createdAt: datetime


# Stores the event of an order (id, total) where it is published from.
Put = Callable[[AsyncSession, str, int], Awaitable[None]]
app = FastAPI()
engine = create_async_engine(os.environ["PEER_ALCHEMY_DSN"], pool_size=10, max_overflow=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@app.post("/orders")
async def create(order: NewOrder) -> Order:
    """Create an order."""
    return await store(order, put_into_outbox)


async def put_into_outbox(session: AsyncSession, order_id: str, total_minor: int) -> None:
    """Write the event into the outbox."""
    event = json.dumps({"orderId": order_id, "totalMinor": total_minor}).encode()
    session.add(OutboxRow(key=order_id, payload=event))


async def store(order: NewOrder, put: Put) -> Order:
    """Store an order with its event; answer when both are durable."""
    order_id, now = uuid.uuid4(), datetime.now(UTC)
    minor = [round(item.price * 100) for item in order.items]
    total = sum(item.quantity * price for item, price in zip(order.items, minor, strict=True))
    async with sessions.begin() as session:
        session.add(
            OrderRow(
                order_id=order_id, customer_id=order.customerId, status="CREATED", total_minor=total, created_at=now
            )
        )
        await session.flush()
        session.add_all(
            ItemRow(
                order_id=order_id,
                position=position,
                product_id=item.productId,
                quantity=item.quantity,
                price_minor=price,
            )
            for position, (item, price) in enumerate(zip(order.items, minor, strict=True))
        )
        await put(session, str(order_id), total)
    return Order(orderId=order_id, status="CREATED", totalPrice=total / 100, createdAt=now)
