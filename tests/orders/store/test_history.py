"""What services may not change: what was sold, and what an event says."""

from __future__ import annotations

import psycopg
import pytest
from orders_world import World

# What each role marks as it works.
MARKS = {
    "orders": {"status", "sequence", "updated_at"},
    "event_outbox": {"status", "sent_at", "cause"},
}


def columns(owner: psycopg.Connection, table: str) -> list[str]:
    found = owner.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s", [table]
    ).fetchall()
    return [name for (name,) in found]


def partitions(owner: psycopg.Connection, table: str) -> list[str]:
    found = owner.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
    return [name for (name,) in found.fetchall()]


async def test_services_rewrite_no_order_and_no_event(
    world: World, owner: psycopg.Connection, orders_dsn: str, publisher_dsn: str
) -> None:
    await world.create(("p1", 1, 1))
    for dsn in (orders_dsn, publisher_dsn):
        with psycopg.connect(dsn, autocommit=True) as service:
            for table, marks in MARKS.items():
                for place in (table, *partitions(owner, table)):
                    for column in sorted(set(columns(owner, table)) - marks):
                        with pytest.raises(psycopg.errors.InsufficientPrivilege):
                            service.execute(f"UPDATE {place} SET {column} = {column}")
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        service.execute(f"DELETE FROM {place}")
