"""What the queries of the publisher and of the desk of dead letters do (orders/outbox/outbox.sql), row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orders.domain import events
from orders.store.queries import OUTBOX
from runtime.audit.entries import SQL as AUDIT
from runtime.kafka.topics import ORDER_EVENTS
from simulated.postgres import array_literals as arrays
from simulated.postgres.connection import Handler
from simulated.postgres.database import Row, Transaction

Rows = list[tuple[Any, ...]]
UNSENT = ("NEW", "FAILED")
FIRST_FLOOR = {"floor_id": 0, "candidate_id": 0, "candidate_xid": 0, "has_dead": False}


def shard_row(transaction: Transaction, shard: int) -> Row:
    """Return a row of outbox_shard."""
    return transaction.get("outbox_shard", shard) or FIRST_FLOOR


def claim_shards(transaction: Transaction, parameters: Any) -> Rows:
    """Lock shards that are not locked, from the first one on."""
    first = parameters["first_shard"]
    found: Rows = []
    for number in range(events.SHARDS):
        shard = (first + number) % events.SHARDS
        if len(found) == parameters["shards"]:
            break
        if not transaction.is_locked("outbox_shard", shard):
            transaction.lock("outbox_shard", shard)
            row = shard_row(transaction, shard)
            found.append((shard, row["floor_id"], row["has_dead"], transaction.database.now_us))
    return found


def events_of(transaction: Transaction, shards: list[int], statuses: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """Yield the events of shards with these statuses, by id."""
    wanted = set(shards)
    for number, row in sorted(transaction.rows("event_outbox"), key=lambda each: each[0]):
        if row["status"] in statuses and row["shard"] in wanted:
            yield number, row


def read_events(transaction: Transaction, parameters: Any) -> Rows:
    """Return unsent events of claimed shards."""
    floors = dict(zip(parameters["shards"], parameters["floors"], strict=True))
    found: dict[int, Rows] = {shard: [] for shard in floors}
    for number, row in events_of(transaction, parameters["shards"], UNSENT):
        shard = row["shard"]
        fits = number > floors[shard] and row["key"] not in parameters["dead_keys"]
        if fits and len(found[shard]) < parameters["per_shard"]:
            event = (number, shard, row["event_type"], row["key"], row["payload"], row["traceparent"], row["occur_us"])
            # No simulated order has baggage.
            found[shard].append((*event, None))
    return [event for each in found.values() for event in each]


def dead_keys(transaction: Transaction, parameters: Any) -> Rows:
    """Return the orders that have DEAD events."""
    dead = events_of(transaction, parameters["shards"], ("DEAD",))
    return [
        (key,) for key in sorted({row["key"] for _, row in dead if row["event_type"] < parameters["first_stock_type"]})
    ]


def change(transaction: Transaction, number: int, statuses: tuple[str, ...], **changes: Any) -> bool:
    """Change an event that has one of these statuses; return whether it has."""
    transaction.lock("event_outbox", number)
    row = transaction.get("event_outbox", number)
    if row is None or row["status"] not in statuses:
        return False
    transaction.put("event_outbox", number, row | changes)
    return True


def mark_sent(transaction: Transaction, parameters: Any) -> Rows:
    """Mark events as SENT."""
    for number in arrays.numbers(parameters["ids"]):
        change(transaction, number, UNSENT, status="SENT", cause=None)
    return []


def mark_failed(transaction: Transaction, parameters: Any) -> Rows:
    """Mark events as FAILED."""
    for number in arrays.numbers(parameters["ids"]):
        change(transaction, number, ("NEW",), status="FAILED", cause=parameters["cause"])
    return []


def mark_dead(transaction: Transaction, parameters: Any) -> Rows:
    """Mark events as DEAD."""
    for number, cause in zip(parameters["ids"], parameters["causes"], strict=True):
        change(transaction, number, UNSENT, status="DEAD", cause=cause)
    return []


def set_has_dead(transaction: Transaction, parameters: Any) -> Rows:
    """Mark shards that have DEAD events."""
    for shard in sorted(set(parameters["shards"])):
        transaction.put("outbox_shard", shard, shard_row(transaction, shard) | {"has_dead": True})
    return []


def move_floors(transaction: Transaction, parameters: Any) -> Rows:
    """Move the floors of claimed shards."""
    oldest, own = transaction.database.oldest_xid, transaction.number()
    for shard, newest in zip(parameters["shards"], parameters["newest"], strict=True):
        row = shard_row(transaction, shard)
        if row["candidate_xid"] > oldest:
            continue
        unsent = next((n for n, _ in events_of(transaction, [shard], UNSENT) if n > row["floor_id"]), None)
        limit = row["candidate_id"] if unsent is None else min(row["candidate_id"], unsent - 1)
        changes = {
            "floor_id": max(row["floor_id"], limit),
            "candidate_id": max(newest, row["candidate_id"]),
            "candidate_xid": own,
        }
        transaction.put("outbox_shard", shard, row | changes)
    return []


def nothing(_: Transaction, __: Any) -> Rows:
    """Do nothing that the simulation looks at."""
    return []


def list_dead_events(transaction: Transaction, parameters: Any) -> Rows:
    """Return all DEAD events, with their number."""
    assert parameters["state"] == "OPEN"
    found = [(number, row) for number, row in sorted(transaction.rows("event_outbox")) if row["status"] == "DEAD"]
    return [
        (
            len(found),
            number,
            "OPEN",
            ORDER_EVENTS,
            row["cause"],
            row["cause"],
            0,
            row["key"],
            row["event_id"],
            None,
            None,
        )
        for number, row in found
    ] or [(0, *[None] * 10)]


def restore_discarded(transaction: Transaction, parameters: Any) -> Rows:
    """Make discarded events DEAD again, and return them."""
    ids = parameters["ids"]
    return [(number,) for number in ids if change(transaction, number, ("DISCARDED",), status="DEAD")]


def lock_dead_shards(transaction: Transaction, parameters: Any) -> Rows:
    """Lock the shards of DEAD events."""
    found = {
        row["shard"]
        for n, row in transaction.rows("event_outbox")
        if n in parameters["ids"] and row["status"] == "DEAD"
    }
    for shard in sorted(found):
        transaction.lock("outbox_shard", shard)
    return [(shard,) for shard in sorted(found)]


def lower_floors(transaction: Transaction, parameters: Any) -> Rows:
    """Lower the floors of locked shards below DEAD events."""
    for shard in parameters["shards"]:
        lowest = min((n for n, _ in events_of(transaction, [shard], ("DEAD",)) if n in parameters["ids"]), default=None)
        if lowest is not None:
            row = shard_row(transaction, shard)
            floors = {name: min(row[name], lowest - 1) for name in ("floor_id", "candidate_id")}
            transaction.put("outbox_shard", shard, row | floors)
    return []


def change_dead_status(transaction: Transaction, parameters: Any) -> Rows:
    """Change the status of DEAD events of locked shards."""
    found: Rows = []
    for number, row in list(events_of(transaction, parameters["shards"], ("DEAD",))):
        if number in parameters["ids"] and change(transaction, number, ("DEAD",), status=parameters["status"]):
            found.append((number, row["key"], row["event_id"], row["cause"]))
    return found


def refresh_has_dead(transaction: Transaction, parameters: Any) -> Rows:
    """Update which of the locked shards have DEAD events."""
    for shard in parameters["shards"]:
        has_dead = any(True for _ in events_of(transaction, [shard], ("DEAD",)))
        transaction.put("outbox_shard", shard, shard_row(transaction, shard) | {"has_dead": has_dead})
    return []


HANDLERS: dict[str, Handler] = {
    OUTBOX.claim_shards: claim_shards,
    OUTBOX.read_events: read_events,
    OUTBOX.dead_keys: dead_keys,
    OUTBOX.mark_sent: mark_sent,
    OUTBOX.mark_failed: mark_failed,
    OUTBOX.mark_dead: mark_dead,
    OUTBOX.set_has_dead: set_has_dead,
    OUTBOX.move_floors: move_floors,
    OUTBOX.record_progress: nothing,
    OUTBOX.notify_publishers: nothing,
    OUTBOX.listen: nothing,
    OUTBOX.list_dead_events: list_dead_events,
    OUTBOX.restore_discarded: restore_discarded,
    OUTBOX.lock_dead_shards: lock_dead_shards,
    OUTBOX.lower_floors: lower_floors,
    OUTBOX.change_dead_status: change_dead_status,
    OUTBOX.refresh_has_dead: refresh_has_dead,
    AUDIT.insert_entry: nothing,
}
