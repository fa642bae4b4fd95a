"""Makes events, sends them, and drives workers until they are counted."""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from confluent_kafka import KafkaException, TopicPartition
from google.protobuf.timestamp_pb2 import Timestamp
from kafka_broker import fields
from ordermesh.events.v1.events_pb2 import Item, OrderCreated, OrderEvent, RestockRequested, StockEvent
from ordermesh.orders.v1.orders_pb2 import Order
from waiting import PATIENCE_SECONDS, PAUSE_SECONDS, What

from orders.domain.ids import uuid7
from processor.events.decode import decode
from processor.events.event import ANY_TIME, Event
from processor.settings import WorkSettings
from processor.worker import Worker
from runtime.kafka import clients, topics
from runtime.kafka.access import PROCESSOR
from stack.servers.kafka.broker import Kafka

Answer = TypeVar("Answer")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
groups = itertools.count()


def new_id() -> str:
    """Return a new event id."""
    return uuid7(time.time_ns() // 1000)


def created(seed: int = 0, **changes: Any) -> OrderEvent:
    """Return an ORDER_CREATED event whose lines come from a seed."""
    rng = random.Random(seed)
    items = [
        Item(product_id=f"p{rng.randint(1, 5)}", quantity=rng.randint(1, 9), price_minor=rng.randint(0, 999))
        for _ in range(rng.randint(1, 4))
    ]
    fields: dict[str, Any] = {
        "event_id": new_id(),
        "order_id": new_id(),
        "customer_id": "cust-1",
        "sequence": 1,
        "occur_time": Timestamp(seconds=1_773_266_400 + 30 * rng.randint(0, 9), nanos=rng.randint(0, 999_999) * 1_000),
        "status": Order.CREATED,
        "total_minor": sum(item.quantity * item.price_minor for item in items),
        "schema_version": 1,
        "order_created": OrderCreated(items=items),
    }
    return OrderEvent(**(fields | changes))


def step(first: OrderEvent, payload: str, previous: int, status: int) -> OrderEvent:
    """Return the event of a later step of an order."""
    event = OrderEvent(
        event_id=new_id(),
        order_id=first.order_id,
        customer_id=first.customer_id,
        sequence=2,
        occur_time=first.occur_time,
        previous_status=previous,  # type: ignore[arg-type]
        status=status,  # type: ignore[arg-type]
        total_minor=first.total_minor,
        schema_version=1,
    )
    getattr(event, payload).SetInParent()
    return event


def restock(product_id: str = "p1", **changes: Any) -> StockEvent:
    """Return a RESTOCK_REQUESTED event."""
    fields: dict[str, Any] = {
        "event_id": new_id(),
        "product_id": product_id,
        "occur_time": Timestamp(seconds=1_773_266_400),
        "schema_version": 1,
        "restock_requested": RestockRequested(order_id=new_id(), missing_quantity=3),
    }
    return StockEvent(**(fields | changes))


def history(orders: int) -> list[OrderEvent | StockEvent]:
    """Return the events of orders of which some are paid, shipped or cancelled, and some wait for stock."""
    events: list[OrderEvent | StockEvent] = []
    for seed in range(orders):
        first = created(seed)
        events.append(first)
        if seed % 3 == 0:
            events.append(step(first, "payment_completed", Order.CREATED, Order.PAID))
        if seed % 6 == 0:
            events.append(step(first, "order_shipped", Order.PAID, Order.SHIPPED))
        if seed % 3 == 1:
            events.append(step(first, "order_cancelled", Order.CREATED, Order.CANCELLED))
        if seed % 5 == 0:
            events.append(restock())
    return events


def topic_and_key(event: OrderEvent | StockEvent) -> tuple[str, bytes]:
    """Return where an event belongs."""
    if isinstance(event, OrderEvent):
        return topics.ORDER_EVENTS, event.order_id.encode()
    return topics.STOCK, event.product_id.encode()


def decoded(event: OrderEvent | StockEvent) -> Event:
    """Return an event as the worker sees it."""
    topic, key = topic_and_key(event)
    outcome = decode(topic, key, event.SerializeToString(), ANY_TIME)
    assert isinstance(outcome, Event), outcome
    return outcome


class World:
    """A database, a broker, and the workers of one group."""

    def __init__(self, dsn: str, broker: Kafka, ends: Callable[[], dict[TopicPartition, int | None]]) -> None:
        group = f"test-{next(groups)}"
        everything = fields(broker.client_settings())
        # Of the tests, which may do everything; the workers have their own user.
        self.settings = WorkSettings(analytics_dsn=dsn, processor_group=group, **everything)
        own = broker.client_settings(PROCESSOR).kafka_properties
        self.worker_settings = self.settings.model_copy(update={"kafka_properties": own})
        self._producer = clients.producer(self.settings, "tests")
        self._ends = ends
        # The log was emptied before the test, so its ends are its beginnings.
        self._beginnings = ends()
        self._workers: list[Worker] = []
        self._connection = psycopg.connect(dsn, autocommit=True)

    def worker(self, index: int = 0, **changes: Any) -> Worker:
        """Return a new worker of the group."""
        made = Worker(self.worker_settings.model_copy(update=changes), index)
        self._workers.append(made)
        return made

    def leave(self, worker: Worker) -> None:
        """Have a worker leave the group."""
        self._workers.remove(worker)
        worker.close()

    def close(self) -> None:
        """Close everything."""
        for worker in self._workers:
            worker.close()
        self._connection.close()

    def send(self, events: Sequence[OrderEvent | StockEvent], headers: dict[str, str] | None = None) -> None:
        """Write events to their topics."""
        for event in events:
            topic, key = topic_and_key(event)
            self.send_bytes(topic, key, event.SerializeToString(), headers)

    def send_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, str] | None = None
    ) -> None:
        """Write any bytes to a topic."""
        own = [(name, text.encode()) for name, text in (headers or {}).items()]
        self._producer.produce(topic, value=value, key=key, headers=own)
        assert self._producer.flush(PATIENCE_SECONDS) == 0

    def drain(self, *workers: Worker) -> None:
        """Drive the workers in turn until all that is in the log is counted or a dead letter."""
        drive(self.counted_all, *workers, what="the log is drained")

    def settle(self, worker: Worker) -> None:
        """Drive a worker until it knows its partitions and where to go on in them."""

        def settled() -> bool:
            assignment = worker._reader.assignment
            return bool(assignment.partitions) and not assignment.unaligned

        drive(settled, worker, what="the worker has partitions")

    def beginnings(self) -> set[tuple[str, int]]:
        """Return the partitions of the topics of events."""
        return {(at.topic, at.partition) for at in self._beginnings}

    def commit(self, offsets: dict[tuple[str, int], int]) -> None:
        """Set the group's offsets, which has no members then."""
        consumer = clients.consumer(self.settings, "tests", self.settings.processor_group)
        if offsets:
            positions = [TopicPartition(*place, at) for place, at in offsets.items()]
            await_done(lambda: consumer.commit(offsets=positions, asynchronous=False))
        consumer.close()

    def committed(self) -> dict[tuple[str, int], int]:
        """Return the group's offsets, of the partitions that have one."""
        consumer = clients.consumer(self.settings, "tests", self.settings.processor_group)
        asked = [TopicPartition(at.topic, at.partition) for at in self._beginnings]
        found = await_done(lambda: consumer.committed(asked, PATIENCE_SECONDS))
        consumer.close()
        return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0}

    def count_until(self, events: int, *workers: Worker) -> None:
        """Drive workers until so many events are counted."""

        def counted() -> int:
            return int(self.rows("SELECT count(*) FROM processed_events")[0][0])

        drive(lambda: counted() == events, *workers, what=lambda: f"{counted()} of {events} events are counted")

    def written(self, topic: str) -> tuple[tuple[str, int], int]:
        """Return the one partition of a topic that was written to in this test, and its end."""
        (found,) = [at for at, end in self._ends().items() if at.topic == topic and end != self._beginnings[at]]
        return (found.topic, found.partition), self._ends()[found] or 0

    def written_records(self, topic: str) -> int:
        """Return by how much the log of a topic has grown in this test."""
        return sum((end or 0) - (self._beginnings[at] or 0) for at, end in self._ends().items() if at.topic == topic)

    def counted_all(self) -> bool:
        """Return whether the positions of the database are at the ends of the log."""
        positions = self.rows("SELECT topic, partition, next_offset FROM partition_progress")
        reached = {(topic, partition): offset for topic, partition, offset in positions}
        return all(
            reached.get((at.topic, at.partition), self._beginnings[at] or 0) >= (end or 0)
            for at, end in self._ends().items()
        )

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def metrics(self) -> dict[tuple[str, str], int]:
        """Return the metrics that are not zero."""
        rows = self.rows("SELECT metric_name, dimension, value FROM sales_metrics WHERE value <> 0")
        return {(name, dimension): value for name, dimension, value in rows}

    def dead_letters(self) -> list[tuple[Any, ...]]:
        """Return the reasons and event ids of the dead letters."""
        return self.rows("SELECT reason, event_id::text FROM dead_letter ORDER BY reason, event_id")


def drive(until: Callable[[], object], *workers: Worker, what: What = "it happens") -> int:
    """Run the workers in turn until something holds; return in how many runs a worker counted events."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    batches = 0
    while not until():
        batches += sum(worker.run_once(0.05) > 0 for worker in workers)
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
    return batches


def await_done(action: Callable[[], Answer]) -> Answer:
    """Do something again until Kafka lets it be done, and return what it returns."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return action()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)
