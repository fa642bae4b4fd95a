"""The outbox of the simulation (tests/simulation) does what PostgreSQL does with the same queries."""

import uuid
from random import Random

import psycopg
import pytest
from simulated.postgres import orders_sql, outbox_sql
from simulated.postgres.database import Database
from simulated.postgres.side_by_side import SideBySide
from simulated.scheduler import Scheduler

from orders.domain.events import SHARDS, OutboxEvent, order_shard
from orders.store.insert_events import event_parameters
from orders.store.queries import OUTBOX, QUERIES
from runtime.postgres import arrays

HANDLERS = orders_sql.HANDLERS | outbox_sql.HANDLERS
TRACE = f"00-{'a' * 32}-{'b' * 16}-00"
FIRST_US = 1_790_000_000_000_000
STATE = "SELECT id, status::text, coalesce(cause, '') FROM event_outbox ORDER BY id"
FLOORS = "SELECT shard, floor_id, has_dead FROM outbox_shard ORDER BY shard"


class Steps:
    """What a publisher, clients and an operator do, in an order that a seed decides."""

    def __init__(self, seed: int, real: psycopg.Connection, other: psycopg.Connection) -> None:
        self.random = Random(seed)
        self.real, self.database = real, Database(Scheduler(seed))
        self.pair = SideBySide(real, self.database, HANDLERS)
        # A client whose transaction is open for long.
        self.late = SideBySide(other, self.database, HANDLERS)
        self.orders = [str(uuid.UUID(int=self.random.getrandbits(128), version=4)) for _ in range(6)]
        self.newest: dict[int, int] = {}
        self.events = 0

    def insert(self, pair: SideBySide) -> None:
        found = []
        for _ in range(self.random.randint(1, 4)):
            self.events += 1
            order_id = self.random.choice(self.orders)
            at_us, payload = FIRST_US + self.events, self.random.randbytes(8)
            event_id = str(uuid.UUID(int=self.events))
            found.append(OutboxEvent(event_id, 3, order_id, order_shard(order_id), at_us, 1, 0, TRACE, payload))  # type: ignore[arg-type]
        pair.execute(QUERIES.insert_events, event_parameters(found))

    def insert_alone(self) -> None:
        with self.pair.transaction(commits=self.random.random() < 0.8):
            self.insert(self.pair)

    def publish(self) -> None:
        commits, newest = self.random.random() < 0.8, {}
        with self.pair.transaction(commits=commits):
            claim = {"first_shard": self.random.randrange(SHARDS), "shards": self.random.choice((SHARDS, SHARDS, 20))}
            claimed = self.pair.execute(OUTBOX.claim_shards, claim, slice(3))
            shards, floors = [row[0] for row in claimed], [row[1] for row in claimed]
            with_dead = {"shards": [row[0] for row in claimed if row[2]], "first_stock_type": 16}
            dead = [row[0] for row in self.pair.execute(OUTBOX.dead_keys, with_dead)]
            read = {"shards": shards, "floors": floors, "dead_keys": dead, "per_shard": self.random.randint(1, 4)}
            for number, shard, *_ in self.pair.execute(OUTBOX.read_events, read):
                newest[shard] = max(number, newest.get(shard, 0))
                self.mark(number, shard)
            known = [shard for shard in shards if shard in self.newest]
            moved = {"shards": known, "newest": [self.newest.pop(shard) for shard in known]}
            self.pair.execute(OUTBOX.move_floors, moved)
        if commits:
            self.newest |= newest

    def mark(self, number: int, shard: int) -> None:
        chosen = {"shards": arrays.plain([shard]), "ids": arrays.plain([number])}
        match self.random.choice(("sent", "sent", "sent", "failed", "dead", "left")):
            case "sent":
                times = {"first_us": FIRST_US, "last_us": FIRST_US + self.events}
                self.pair.execute(OUTBOX.mark_sent, chosen | times)
            case "failed":
                self.pair.execute(OUTBOX.mark_failed, chosen | {"cause": "late"})
            case "dead":
                dead = {"shards": [shard], "ids": [number], "causes": ["refused"]}
                self.pair.execute(OUTBOX.mark_dead, dead)
                self.pair.execute(OUTBOX.set_has_dead, {"shards": [shard]})

    def change_dead(self) -> None:
        """Redrive or discard some events; redriving undoes a discard."""
        query = "SELECT id FROM event_outbox WHERE status IN ('DEAD', 'DISCARDED') ORDER BY id"
        found = [number for (number,) in self.real.execute(query)]
        ids = self.random.sample(found, min(3, len(found)))
        status = self.random.choice(("NEW", "DISCARDED"))
        with self.pair.transaction():
            if status == "NEW":
                self.pair.execute(OUTBOX.restore_discarded, {"ids": ids})
            shards = [row[0] for row in self.pair.execute(OUTBOX.lock_dead_shards, {"ids": ids})]
            chosen = {"shards": shards, "ids": ids}
            self.pair.execute(OUTBOX.lower_floors, chosen)
            self.pair.execute(OUTBOX.change_dead_status, chosen | {"status": status})
            self.pair.execute(OUTBOX.refresh_has_dead, {"shards": shards})

    def compare(self) -> None:
        rows = self.database.tables["event_outbox"]
        simulated = [(number, row["status"], row["cause"] or "") for number, row in sorted(rows.items())]
        assert self.real.execute(STATE).fetchall() == simulated
        for shard, floor, has_dead in self.real.execute(FLOORS):
            row = self.database.tables["outbox_shard"].get(shard, outbox_sql.FIRST_FLOOR)
            # A transaction of the server itself may hold a real floor back for a moment.
            assert (has_dead, floor <= row["floor_id"]) == (row["has_dead"], True)

    def check_floors(self) -> None:
        """No floor passes an event of the transaction that is open."""
        floors = {shard: floor for shard, floor, _ in self.real.execute(FLOORS)}
        for number, row in self.late.changes("event_outbox").items():
            simulated = self.database.tables["outbox_shard"].get(row["shard"], outbox_sql.FIRST_FLOOR)
            assert max(floors[row["shard"]], simulated["floor_id"]) < number

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice((self.insert_alone, self.insert_alone, self.publish, self.publish, self.change_dead))()
            self.compare()


@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_outbox_does_what_postgresql_does(orders_dsn: str, owner: psycopg.Connection, seed: int) -> None:
    with psycopg.connect(orders_dsn, autocommit=True) as other:
        steps = Steps(seed, owner, other)
        steps.run(20)
        with steps.late.transaction():
            steps.insert(steps.late)
            steps.run(20)
            steps.check_floors()
        steps.run(20)
    assert any(floor for _, floor, _ in owner.execute(FLOORS))
