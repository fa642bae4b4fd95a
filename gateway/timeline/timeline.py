"""Joins what both databases know of an order's events, and says what is not known; pure, without I/O."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.timeline_pb2 import OrderTimeline
from ordermesh.internal.v1.timeline_source_pb2 import ListCountedEventsResponse, ListOutboxEventsResponse

from gateway.settings import TRACE_ID
from runtime import timestamps
from runtime.kafka import topics
from runtime.money import major
from runtime.telemetry import trace_context

Event = OrderTimeline.Event
STATES = {
    "NEW": Event.PENDING,
    "FAILED": Event.PENDING,
    "SENT": Event.PUBLISHED,
    "DEAD": Event.REJECTED,
    "DISCARDED": Event.DISCARDED,
}
DROPPED_FROM_OUTBOX = "the outbox has dropped it after its retention: when it was published and its trace are not known"
DROPPED_FROM_BOTH = (
    "analytics has dropped it after its retention: when it was counted and its place in Kafka are not known"
)
NOT_PUBLISHED = "it has no place in Kafka yet: it is not published"
NEVER_PUBLISHED = "it has no place in Kafka: it was never published"
NOT_COUNTED = "its place in Kafka is known once it is counted"
NOT_SAMPLED = "its trace is not sampled: there are no spans and no log lines of it"
NO_PLACE = "its place in Kafka is not known: a rebuild counted it from its order"
NO_WORKER = "the worker is not known: an earlier version or a repair counted it"


def timeline(
    order_id: str, outbox: ListOutboxEventsResponse, counted: ListCountedEventsResponse, trace_url: str = ""
) -> OrderTimeline:
    """Return the life of an order that exists; `trace_url` is the address of a trace with {trace_id}, or empty."""
    made = OrderTimeline(
        order_id=order_id,
        customer_id=outbox.customer_id,
        status=outbox.status,
        total_price=major(outbox.total_minor),
        trace_id=outbox.trace_id,
        commit_time=outbox.create_time,
        update_time=outbox.update_time,
    )
    made.events.extend(sorted(joined(outbox, counted), key=place_in_time))
    made.missing.extend(missing_of_order(made, outbox, counted))
    add_links(made, trace_url)
    return made


def add_links(made: OrderTimeline, trace_url: str) -> None:
    """Add the addresses of the sampled traces."""
    for event in made.events:
        if event.sampled:
            event.trace_url = trace_url.replace(TRACE_ID, event.trace_id)
            if event.trace_id == made.trace_id:
                made.trace_url = event.trace_url


def joined(outbox: ListOutboxEventsResponse, counted: ListCountedEventsResponse) -> Iterator[Event]:
    """Yield the events that either database knows."""
    events = {one.event_id: from_outbox(one) for one in outbox.events}
    for one in counted.events:
        add_counted(events.setdefault(one.event_id, Event(event_id=one.event_id)), one)
    for rejected in counted.dead_letters:
        # One whose event could not be read belongs to the order by its key only.
        event = events.setdefault(rejected.event_id or rejected.dead_letter_id, Event(event_id=rejected.event_id))
        if event.state != Event.COUNTED:
            add_dead_letter(event, rejected)
    for event in events.values():
        event.missing.extend(missing_of(event, outbox, counted))
        yield event


def place_in_time(event: Event) -> tuple[int, int]:
    """Return the sort key of an event; of two at one time the first of the order is first."""
    return event.occur_time.ToNanoseconds(), event.sequence


def from_outbox(found: ListOutboxEventsResponse.Event) -> Event:
    """Return an event of the outbox."""
    event = Event(
        event_id=found.event_id,
        event_type=found.event_type,
        sequence=found.sequence,
        previous_status=found.previous_status,
        status=found.status,
        occur_time=found.occur_time,
        state=STATES[found.outbox_status],
        cause=found.cause,
        topic=topics.topic_of(found.event_type),
    )
    if trace := trace_context.parse(found.traceparent):
        event.trace_id, event.sampled = trace.trace_id, trace.sampled
    if found.HasField("publish_time"):
        event.publish_time.CopyFrom(found.publish_time)
        event.outbox_ms = milliseconds(found.occur_time, found.publish_time)
    if event.state in (Event.REJECTED, Event.DISCARDED) and found.outbox_id:
        event.dead_letter_id = f"outbox.{found.outbox_id}"
    return event


def add_counted(event: Event, found: ListCountedEventsResponse.Event) -> None:
    """Add what analytics knows of a counted event."""
    event.event_type, event.previous_status, event.status = found.event_type, found.previous_status, found.status
    event.state = Event.COUNTED
    event.occur_time.CopyFrom(found.occur_time)
    event.topic = topics.topic_of(found.event_type)
    if found.offset >= 0:
        event.partition, event.offset = found.partition, found.offset
    event.count_time.CopyFrom(found.count_time)
    event.count_ms = milliseconds(found.occur_time, found.count_time)
    event.worker = found.worker


def add_dead_letter(event: Event, found: ListCountedEventsResponse.DeadLetter) -> None:
    """Add what analytics knows of an event that is a dead letter."""
    event.state = Event.DEAD_LETTER
    event.topic, event.partition, event.offset = found.topic, found.partition, found.offset
    event.cause, event.dead_letter_id = found.cause, found.dead_letter_id
    if not event.event_type:
        event.event_type = found.event_type
    if not event.HasField("occur_time"):
        event.occur_time.CopyFrom(found.create_time)


def missing_of(event: Event, outbox: ListOutboxEventsResponse, counted: ListCountedEventsResponse) -> Iterator[str]:
    """Yield what is not known of an event."""
    if event.state == Event.PENDING:
        yield NOT_PUBLISHED
    elif event.state in (Event.REJECTED, Event.DISCARDED):
        yield NEVER_PUBLISHED
    elif event.state == Event.PUBLISHED:
        yield DROPPED_FROM_BOTH if is_before(event.occur_time, counted) else NOT_COUNTED
    elif not event.HasField("offset"):
        yield NO_PLACE
    if not event.trace_id and event.state != Event.DISCARDED:
        yield DROPPED_FROM_OUTBOX if is_before(event.occur_time, outbox) else "the outbox does not have it"
    if event.HasField("sampled") and not event.sampled:
        yield NOT_SAMPLED
    if event.state == Event.COUNTED and not event.worker:
        yield NO_WORKER


def missing_of_order(
    made: OrderTimeline, outbox: ListOutboxEventsResponse, counted: ListCountedEventsResponse
) -> Iterator[str]:
    """Yield what is not known of the order."""
    known = sum(event.event_type != 0 and event.event_type < topics.FIRST_STOCK_TYPE for event in made.events)
    if (lost := outbox.sequence - known) > 0:
        noun = "1 event" if lost == 1 else f"{lost} events"
        dropped = is_before(outbox.create_time, outbox) and is_before(outbox.create_time, counted)
        why = "both databases have dropped events of its time" if dropped else "neither outbox nor analytics has them"
        yield f"{noun} of {outbox.sequence} not found: {why}"


def is_before(moment: Timestamp, source: ListOutboxEventsResponse | ListCountedEventsResponse) -> bool:
    """Return whether a database may have dropped events of this time."""
    return source.HasField("retained_start_time") and moment.seconds < source.retained_start_time.seconds


def milliseconds(start: Timestamp, end: Timestamp) -> float:
    """Return the time between two times, to the microsecond."""
    return (timestamps.to_datetime(end) - timestamps.to_datetime(start)) / timestamps.MICROSECOND / 1000
