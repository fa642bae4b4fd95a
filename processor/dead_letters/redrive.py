"""Redrives dead letters: sends their events again to the topics they came from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from processor.counting import progress
from processor.dead_letters.inspection import (
    CLIENT_ID,
    READ_SECONDS,
    SQL,
    DeadLetterContent,
    DeadLetterEntry,
    DeadLetterPlace,
    read_content,
)
from processor.events.batch import Place
from processor.events.event import Reason
from processor.settings import EventSettings
from runtime.audit.entries import Action, Origin, record
from runtime.kafka import clients, size_limits
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.postgres.connection_types import Connection


class NotRedriven(Exception):
    """Kafka did not acknowledge the event; its dead letter is unchanged."""


def redrive(
    settings: EventSettings,
    places: Sequence[Place | DeadLetterPlace],
    origin: Origin,
    on_sent: Callable[[DeadLetterEntry], None] = lambda entry: None,
) -> list[DeadLetterEntry]:
    """Send events again to the topics they came from, call `on_sent` after each, and return their dead letters.

    Headers whose name is not UTF-8 are left out: no worker could read them. Sent twice, an event is counted once.
    Raises DeadLetterNotFound or NotRedriven at the first that fails; those before it are done. Raises psycopg.Error.
    """
    done = []
    overrides = {**ONE_BY_ONE, **size_limits.AS_LARGE_AS_THE_BROKER_TAKES}
    producer: Outbound[DeadLetterPlace] = Outbound(clients.producer(settings, CLIENT_ID, overrides))
    with progress.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        for place in (DeadLetterPlace(*each) for each in places):
            found = read_content(settings, connection, place)
            if found.entry.reason == Reason.UNREADABLE_BATCH:
                raise NotRedriven(f"{found.entry.name} not redriven: its bytes could never be read")
            # Before it is sent, so that nothing is sent that cannot be recorded.
            with connection.transaction():
                mark_redriven(connection, place._replace(topic_id=found.topic_id), found.entry, origin)
                send(producer, found)
            done.append(found.entry)
            on_sent(found.entry)
    return done


def send(producer: Outbound[DeadLetterPlace], found: DeadLetterContent) -> None:
    """Send one event to the topic it came from. Blocks; raises NotRedriven."""
    place, deadline = found.entry.place, time.monotonic() + READ_SECONDS
    try:
        producer.put(place, place[0], found.value, found.key, found.headers, deadline)
        producer.wait(deadline)
    except NotAcknowledged as error:
        raise NotRedriven(f"{found.entry.name} not redriven: {error}") from error
    if place in producer.errors:
        raise NotRedriven(f"{found.entry.name} not redriven: {producer.errors[place].str()}")


def mark_redriven(connection: Connection, place: DeadLetterPlace, entry: DeadLetterEntry, origin: Origin) -> None:
    """Record that the event was sent again, and by whom."""
    connection.execute(SQL.mark_redriven, place._asdict())
    before = {"redriven_at": entry.redriven_at, "reason": entry.reason, "event_id": entry.event_id}
    record(connection, origin, Action("dlq redrive", entry.name, before, {"redriven": True}))
