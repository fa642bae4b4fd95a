"""Batches of events, counted without a worker."""

from collections.abc import Sequence

from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from processor_world import decoded, topic_and_key

from processor.counting import progress
from processor.counting.transaction import Counted, counting
from processor.events.batch import Batch
from processor.events.resume_positions import Start

Events = Sequence[OrderEvent | StockEvent]


def count(connection: progress.Connection, batch: Batch) -> Counted:
    """Count a batch in one transaction."""
    progress.initialize_positions(
        connection, {each: Start(covered.start, covered.start, None, 0) for each, covered in batch.ranges.items()}
    )
    with counting(connection) as transaction:
        transaction.record(batch.events, batch.places)
        return transaction.finish(batch)


def batch_of(events: Events) -> Batch:
    """Return a batch as if these events had been read."""
    found = Batch()
    for offset, event in enumerate(events):
        found.events.append(decoded(event))
        found.places.append((0, offset))
        topic = topic_and_key(event)[0]
        covered = found.range_of((topic, 0), 0)
        covered.next_offset, covered.records = offset + 1, covered.records + 1
    return found
