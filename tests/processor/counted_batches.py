"""Batches of events, counted without a worker."""

from collections.abc import Sequence

from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent
from processor_world import decoded, topic_and_key

from processor.counting import store
from processor.events.batch import Batch
from processor.events.positions import Start

Events = Sequence[OrderEvent | StockEvent]


def count(connection: store.Connection, batch: Batch) -> store.Counted:
    """Count a batch in one transaction."""
    store.open_marks(connection, {place: Start(span.begin, span.begin, None, 0) for place, span in batch.spans.items()})
    with store.counting(connection) as counting:
        counting.record(batch.events, batch.places)
        return counting.finish(batch)


def batch_of(events: Events) -> Batch:
    """Return a batch as if these events had been read."""
    found = Batch()
    for offset, event in enumerate(events):
        found.events.append(decoded(event))
        found.places.append((0, offset))
        topic = topic_and_key(event)[0]
        span = found.span((topic, 0), 0)
        span.next_offset, span.events = offset + 1, span.events + 1
    return found
