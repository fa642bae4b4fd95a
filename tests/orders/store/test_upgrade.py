"""The migration of a database of an earlier version with backorders."""

from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg

from stack.servers.postgres import Postgres

BEFORE = """
    INSERT INTO product (product_id, name, price_minor, tracked, stock, awaited) VALUES ('a', 'x', 1, true, 45, 15),
        ('b', 'x', 1, true, 0, 5), ('free', 'x', 1, true, 7, 0);
    INSERT INTO orders (order_id, customer_id, status, total_minor, created_at, updated_at, trace_id, lines)
        SELECT lpad(n::text, 32, '0')::uuid, 'c', 'PENDING_RESTOCK', 1, now(), now(), '', '{}'
        FROM generate_series(1, 2) n;
    INSERT INTO order_waiting (product_id, order_id, quantity) VALUES
        ('a', lpad('2', 32, '0')::uuid, 10), ('a', lpad('1', 32, '0')::uuid, 5), ('b', lpad('1', 32, '0')::uuid, 5)
"""

# What a catalogue names and what its functions contain.
OLD_NAMES = """
    SELECT name FROM (
        SELECT relname::text FROM pg_class UNION ALL SELECT attname FROM pg_attribute
        UNION ALL SELECT conname FROM pg_constraint UNION ALL SELECT prosrc FROM pg_proc
    ) AS named (name) WHERE name ~ 'waiting|release_after' AND name !~ '^pg_'
"""


def scripts_of(package: str) -> list[Traversable]:
    found = (script for script in files(package).iterdir() if script.name.endswith(".sql"))
    return sorted(found, key=lambda script: script.name)


def test_backorders_keep_their_positions_and_their_release_is_scheduled(postgres: Postgres) -> None:
    scripts = [script for package in ("runtime.migrations", "orders.migrations") for script in scripts_of(package)]
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE earlier OWNER orders_owner")
    dsn = postgres.dsn("orders_owner")
    with psycopg.connect(dsn, dbname="earlier", autocommit=True) as owner:
        owner.execute("CREATE TABLE schema_migration (name text PRIMARY KEY, sha256 text NOT NULL)")
        for script in scripts:
            if script.name == "0040_waiting.sql":
                owner.execute("DELETE FROM product")
                owner.execute(BEFORE)
            owner.execute(script.read_bytes())
        places = owner.execute(
            "SELECT right(order_id::text, 1), product_id, dense_rank() OVER (ORDER BY position) FROM backorder"
            " ORDER BY 1, 2"
        ).fetchall()
        assert places == [("1", "a", 1), ("1", "b", 1), ("2", "a", 2)]
        due = owner.execute("SELECT product_id FROM product WHERE release_from = 0 ORDER BY 1").fetchall()
        assert due == [("a",), ("b",)]
        last = owner.execute("SELECT max(position) < nextval('backorder_position') FROM backorder").fetchone()
        assert last == (True,)
        assert owner.execute(OLD_NAMES).fetchall() == []
