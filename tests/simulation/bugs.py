"""Known bugs of such platforms, put into the programs one at a time: the simulation has to find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from confluent_kafka import TopicPartition
from simulated.postgres import analytics_sql, outbox_sql
from simulated.postgres.database import Database, Transaction

from orders.api import order_service
from orders.outbox import publisher, sender
from orders.outbox.sender import SendResult
from orders.store.queries import OUTBOX
from processor import worker
from processor.counting import transaction
from processor.counting.transaction import SQL, CountingTransaction
from processor.events import resume_positions
from processor.events.resume_positions import Position, Start
from runtime.postgres import transactions
from runtime.postgres.sqlstates import ClientError, ErrorClass, Retry

Bug = Callable[[], AbstractContextManager[Any]]


def mark_before_acknowledgement() -> AbstractContextManager[Any]:
    """The publisher marks events as SENT that Kafka has not acknowledged."""
    return patch.object(sender.Sender, "wait", lambda _, events: SendResult(sent=list(events)))


def cursor_that_skips_late_commits() -> AbstractContextManager[Any]:
    """The floor of a shard passes ids of transactions that are not committed yet."""
    return patch.object(Database, "oldest_xid", property(lambda database: database.next_xid))


def several_events_of_an_order_in_flight() -> AbstractContextManager[Any]:
    """The publisher sends events of an order without waiting for the one before."""
    return patch.object(publisher, "one_per_order", lambda events: (list(events), []))


def events_after_a_dead_one() -> AbstractContextManager[Any]:
    """The publisher sends later events of an order whose event Kafka refuses."""
    return patch.dict(outbox_sql.HANDLERS, {OUTBOX.dead_keys: lambda *_: []})


def key_of_the_event() -> AbstractContextManager[Any]:
    """Events are sent with a key of their own, so that those of an order are in several partitions."""
    put = sender.Sender._put
    return patch.object(sender.Sender, "_put", lambda self, to, event: put(self, to, event._replace(key=f"{event.id}")))


def deduplication_outside_of_the_transaction() -> AbstractContextManager[Any]:
    """The worker records what it counts in a transaction of its own, before the metrics."""
    finish = CountingTransaction.finish

    def finish_alone(self: CountingTransaction, batch: Any) -> Any:
        with self._connection.transaction():
            return finish(self, batch)

    @contextmanager
    def counting(connection: Any, number: int) -> Iterator[CountingTransaction]:
        yield CountingTransaction(connection, number)

    return both(patch.object(CountingTransaction, "finish", finish_alone), patch.object(worker, "counting", counting))


def replay_without_deduplication() -> AbstractContextManager[Any]:
    """The worker counts events again that were counted before."""
    only_new = transaction.only_new
    return patch.object(transaction, "only_new", lambda batch, _: only_new(batch, set()))


def metric_that_is_set() -> AbstractContextManager[Any]:
    """Metrics are read, added to, and written, while another worker does the same."""

    def add(running: Transaction, parameters: Any) -> Any:
        before = dict(running.rows("sales_metrics"))
        running.database.scheduler.wait()
        with patch.object(running, "get", lambda _, key: before.get(key)):
            return analytics_sql.add_metrics(running, parameters)

    return patch.dict(analytics_sql.HANDLERS, {SQL.add_metrics: add})


def offsets_before_the_commit() -> AbstractContextManager[Any]:
    """The worker commits the group's offsets before it counts, and continues from them."""
    count, start = worker.Worker.count, resume_positions.start

    def commit_first(self: worker.Worker, messages: Sequence[Any]) -> Any:
        places = {(each.topic(), each.partition()): each.offset() + 1 for each in messages}
        self._reader._consumer.commit([TopicPartition(*place, at) for place, at in places.items()], asynchronous=True)
        return count(self, messages)

    def trusting(recorded: Any, offsets: Any, committed: Any) -> Start:
        if committed is None:
            return start(recorded, offsets, committed)
        position = Position(offsets.topic_id, committed)
        return Start(position, position, recorded, 0)

    return both(patch.object(worker.Worker, "count", commit_first), patch.object(resume_positions, "start", trusting))


def unknown_outcome_told_as_a_refusal() -> AbstractContextManager[Any]:
    """A call whose commit may have succeeded is told that nothing was changed."""
    refused = ErrorClass(Retry.LATER, ClientError.UNAVAILABLE, drops_connection=True)
    return patch.object(transactions, "classify", lambda _: refused)


def retry_without_its_key() -> AbstractContextManager[Any]:
    """The orders service forgets the idempotency key of an order."""
    new_order = order_service.validation.new_order
    return patch.object(order_service.validation, "new_order", lambda *given: new_order(*given)._replace(request_id=""))


@contextmanager
def both(first: AbstractContextManager[Any], second: AbstractContextManager[Any]) -> Iterator[None]:
    """Enter two contexts."""
    with first, second:
        yield


BUGS: list[Bug] = [
    mark_before_acknowledgement,
    cursor_that_skips_late_commits,
    several_events_of_an_order_in_flight,
    events_after_a_dead_one,
    key_of_the_event,
    deduplication_outside_of_the_transaction,
    replay_without_deduplication,
    metric_that_is_set,
    offsets_before_the_commit,
    unknown_outcome_told_as_a_refusal,
    retry_without_its_key,
]
NO_BUG: Bug = nullcontext
