"""What the queries of the orders service do (orders/store/queries.sql), row by row."""

from __future__ import annotations

from typing import Any

from orders.store.queries import QUERIES
from simulated.postgres import array_literals as arrays
from simulated.postgres.connection import Handler
from simulated.postgres.database import Row, Transaction

Rows = list[tuple[Any, ...]]


def insert_orders(transaction: Transaction, parameters: Any) -> Rows:
    """Claim the idempotency keys; insert the orders whose keys are new, each with its first event."""
    columns = [
        arrays.plain(parameters["order_ids"]),
        arrays.quoted(parameters["customer_ids"]),
        arrays.plain(parameters["statuses"]),
        arrays.numbers(parameters["total_minors"]),
        arrays.numbers(parameters["created_us"]),
        arrays.quoted(parameters["lines"]),
        arrays.quoted(parameters["request_ids"]),
        arrays.binary(parameters["fingerprints"]),
        arrays.numbers(parameters["shards"]),
        arrays.plain(parameters["event_ids"]),
        arrays.plain(parameters["traceparents"]),
        arrays.binary(parameters["payloads"]),
    ]
    known = set()
    for order_id, customer, status, _, created_us, _, request, fingerprint, *_ in sorted(
        zip(*columns, strict=True), key=lambda each: (each[1], each[6])
    ):
        row = {"fingerprint": fingerprint, "order_id": order_id, "status": status, "created_us": created_us}
        if request and not insert_new(transaction, "order_request", (customer, request), row):
            known.add(order_id)
    for order_id, customer, status, total, created_us, lines, _, _, shard, event_id, trace, payload in zip(
        *columns, strict=True
    ):
        if order_id not in known:
            order = {"customer_id": customer, "status": status, "sequence": 1, "total_minor": total, "lines": lines}
            transaction.put("orders", order_id, order | {"created_us": created_us, "updated_us": created_us})
            insert_event(transaction, shard, 1, created_us, event_id, order_id, trace, payload)
    return [(transaction.database.now_us, list(known))]


def insert_new(transaction: Transaction, table: str, key: Any, row: Row) -> bool:
    """Insert a row, unless another has its key; wait for a transaction that inserts it."""
    transaction.lock(table, key)
    if transaction.get(table, key) is not None:
        return False
    transaction.put(table, key, row)
    return True


def insert_event(
    transaction: Transaction, shard: int, kind: int, occur_us: int, event_id: str, key: str, trace: str, payload: bytes
) -> None:
    """Insert an event; its id is drawn before the commit, so one with a higher id may be committed earlier."""
    transaction.number()
    row = {"shard": shard, "status": "NEW", "event_type": kind, "occur_us": occur_us, "event_id": event_id, "key": key}
    transaction.put(
        "event_outbox", transaction.database.next_id(), row | {"traceparent": trace, "payload": payload, "cause": None}
    )


def find_order_requests(transaction: Transaction, parameters: Any) -> Rows:
    """Return the first results of idempotency keys."""
    keys = zip(arrays.quoted(parameters["customer_ids"]), arrays.quoted(parameters["request_ids"]), strict=True)
    found = ((key, transaction.get("order_request", key)) for key in keys)
    return [(*key, row["fingerprint"], row["order_id"], row["status"], row["created_us"]) for key, row in found if row]


def insert_events(transaction: Transaction, parameters: Any) -> Rows:
    """Insert events."""
    for event in zip(
        arrays.numbers(parameters["shards"]),
        arrays.numbers(parameters["event_types"]),
        arrays.numbers(parameters["occur_us"]),
        arrays.plain(parameters["event_ids"]),
        arrays.quoted(parameters["keys"]),
        arrays.plain(parameters["traceparents"]),
        arrays.binary(parameters["payloads"]),
        strict=True,
    ):
        insert_event(transaction, *event)
    return []


def read_clock(transaction: Transaction, _: Any) -> Rows:
    """Return the database's time."""
    return [(transaction.database.now_us,)]


def get_order(transaction: Transaction, parameters: Any) -> Rows:
    """Return an order, if it is the customer's."""
    order_id, customer = parameters["order_id"], parameters["customer_id"]
    row = transaction.get("orders", order_id)
    return [as_stored(order_id, row)] if row and customer in (None, row["customer_id"]) else []


def lock_order(transaction: Transaction, parameters: Any) -> Rows:
    """Lock and return an order."""
    order_id = parameters["order_id"]
    transaction.lock("orders", order_id)
    row = transaction.get("orders", order_id)
    return [as_stored(order_id, row)] if row else []


def as_stored(order_id: str, row: Row) -> tuple[Any, ...]:
    """Return the columns of an order."""
    names = ("customer_id", "status", "sequence", "total_minor", "created_us", "updated_us", "lines")
    return order_id, *(row[name] for name in names)


def update_status(transaction: Transaction, parameters: Any) -> Rows:
    """Change the status of an order."""
    order_id = parameters["order_id"]
    transaction.lock("orders", order_id)
    row = transaction.get("orders", order_id)
    if row is not None:
        changed = {
            "status": parameters["status"],
            "sequence": row["sequence"] + 1,
            "updated_us": parameters["occur_us"],
        }
        transaction.put("orders", order_id, row | changed)
    return []


def key_of(parameters: Any) -> tuple[str, str, str]:
    """Return an idempotency key."""
    return parameters["method"], parameters["scope"], parameters["request_id"]


def lock_idempotency_key(transaction: Transaction, parameters: Any) -> Rows:
    """Lock an idempotency key."""
    transaction.lock("advisory lock", key_of(parameters))
    return []


def find_response(transaction: Transaction, parameters: Any) -> Rows:
    """Return the saved response of an idempotency key."""
    row = transaction.get("idempotency_request", key_of(parameters))
    return [(row["fingerprint"], row["response"])] if row else []


def insert_response(transaction: Transaction, parameters: Any) -> Rows:
    """Save the response of an idempotency key."""
    row = {"fingerprint": parameters["fingerprint"], "response": parameters["response"]}
    assert insert_new(transaction, "idempotency_request", key_of(parameters), row)
    return []


HANDLERS: dict[str, Handler] = {
    QUERIES.insert_orders: insert_orders,
    QUERIES.find_order_requests: find_order_requests,
    QUERIES.insert_events: insert_events,
    QUERIES.read_clock: read_clock,
    QUERIES.get_order: get_order,
    QUERIES.lock_order: lock_order,
    QUERIES.update_status: update_status,
    QUERIES.lock_idempotency_key: lock_idempotency_key,
    QUERIES.find_response: find_response,
    QUERIES.insert_response: insert_response,
}
