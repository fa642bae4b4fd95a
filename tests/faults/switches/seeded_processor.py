"""Known bugs of a worker."""

import time

import psycopg

from processor.counting import transaction
from processor.counting.transaction import CountingTransaction
from processor.session import Session

# Makes the moment in which a kill is fatal longer.
WINDOW_SECONDS = 0.15


def beside(connection: psycopg.Connection) -> psycopg.Connection:
    """Return a second connection, which commits by itself."""
    return psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True)


def dedup_outside_the_transaction() -> None:
    """Event ids are recorded in a transaction before the one that counts."""

    def record(self, events, places):
        if events:
            with beside(self._connection) as early:
                self._recorded.append(early.execute(transaction.SQL.insert_events, parameters(events, places)))
            time.sleep(WINDOW_SECONDS)

    parameters = transaction.event_parameters
    CountingTransaction.record = record


def replay_without_dedup() -> None:
    """Events that were counted before are counted again."""
    only_new = transaction.only_new
    transaction.only_new = lambda batch, duplicate_ids: only_new(batch, set())


def dedup_in_memory() -> None:
    """A worker knows which events it has counted itself: one that is stopped and goes on counts what others did."""
    known: set[str] = set()

    def only_unknown(batch, _):
        found = only_new(batch, known)
        known.update(event.event_id for event in found[0])
        return found

    only_new = transaction.only_new
    transaction.only_new = only_unknown
    # It is stopped with a batch in hand, and not in the middle of a transaction.
    connection = Session.connection

    def slow_connection(self):
        time.sleep(WINDOW_SECONDS)
        return connection(self)

    Session.connection = slow_connection


def metric_applied_twice() -> None:
    """Every twentieth batch changes the metrics twice, as a retry does that forgets what it did."""
    batches = 0

    def add_twice(connection, changes):
        nonlocal batches
        batches += 1
        for _ in range(1 + (batches % 20 == 0)):
            add(connection, changes)

    add = transaction.add_metrics
    transaction.add_metrics = add_twice


def forgets_dead_letters() -> None:
    """What cannot be decoded is passed over."""
    transaction.insert_dead_letters = lambda connection, dead_letters: transaction.Counter()
