"""Redrives dead letters: sends their events again to the topics they came from. And discards them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from processor.dead_letters.contents import CLIENT_ID, ContentMissing, ContentReader, DeadLetterContent
from processor.dead_letters.inspection import SQL, DeadLetterEntry, DeadLetterNotFound, DeadLetterPlace, find
from processor.events.event import Reason
from runtime.audit.entries import Action, Origin, record
from runtime.dead_letter_messages import DISCARD, REDRIVE
from runtime.kafka import clients, size_limits
from runtime.kafka.delivery import ONE_BY_ONE, NotAcknowledged, Outbound
from runtime.kafka.settings import GroupSettings
from runtime.postgres.connection_types import Connection

# Below the server's timeout for idle transactions.
SEND_SECONDS = 5.0
NEVER_READ = "its bytes could never be read"
# Why a dead letter was not changed, by its id; empty if it was.
Results = dict[str, str]


class NotRedriven(Exception):
    """Kafka refused the event or did not acknowledge it; its dead letter is unchanged."""


class Redriver:
    """Sends events again; one of many is in flight at a time, so that their order is kept."""

    def __init__(self, settings: GroupSettings, connection: Connection, reader: ContentReader) -> None:
        self._connection = connection
        self._reader = reader
        overrides = {**ONE_BY_ONE, **size_limits.AS_LARGE_AS_THE_BROKER_TAKES}
        self._producer: Outbound[str] = Outbound(clients.producer(settings, CLIENT_ID, overrides))

    def redrive(self, place: DeadLetterPlace, origin: Origin) -> None:
        """Send the event of a dead letter to the topic it came from. Sent twice, an event is counted once.

        Headers whose name is not UTF-8 are left out: no worker could read them. Blocks; raises DeadLetterNotFound,
        ContentMissing, NotRedriven, NotAcknowledged, psycopg.Error.
        """
        content = readable(self._connection, self._reader, place)
        # Before it is sent, so that nothing is sent that cannot be recorded.
        with self._connection.transaction():
            self._connection.execute(SQL.mark_redriven, content.entry.row)
            record(self._connection, origin, action_on(content.entry, REDRIVE, "REDRIVEN"))
            self._send(content)

    def _send(self, content: DeadLetterContent) -> None:
        name, deadline = content.entry.name, time.monotonic() + SEND_SECONDS
        topic = content.entry.place.topic
        self._producer.put(name, topic, content.value, content.key, content.headers, deadline)
        self._producer.wait(deadline)
        if name in self._producer.errors:
            raise NotRedriven(self._producer.errors[name].str())

    def close(self) -> None:
        """Drop what is not acknowledged."""
        self._producer.close()


def redrive(
    settings: GroupSettings, connection: Connection, places: Sequence[DeadLetterPlace], origin: Origin, seconds: float
) -> Results:
    """Redrive dead letters in order, until the time is over or Kafka does not answer; return the results of the first.

    Raises NotAcknowledged when Kafka does not answer for the first, psycopg.Error.
    """
    results: Results = {}
    until = time.monotonic() + seconds
    with ContentReader(settings) as reader:
        redriver = Redriver(settings, connection, reader)
        try:
            for place in places:
                if results and time.monotonic() > until:
                    break
                try:
                    redriver.redrive(place, origin)
                except (DeadLetterNotFound, ContentMissing, NotRedriven) as error:
                    results[place.name] = str(error)
                except NotAcknowledged:
                    if not results:
                        raise
                    break
                else:
                    results[place.name] = ""
        finally:
            redriver.close()
    return results


def check_redrive(settings: GroupSettings, connection: Connection, places: Sequence[DeadLetterPlace]) -> Results:
    """Return the results that `redrive` would have, as far as they do not depend on what Kafka accepts."""
    results: Results = {}
    with ContentReader(settings) as reader:
        for place in places:
            try:
                readable(connection, reader, place)
            except (DeadLetterNotFound, ContentMissing, NotRedriven) as error:
                results[place.name] = str(error)
            else:
                results[place.name] = ""
    return results


def readable(connection: Connection, reader: ContentReader, place: DeadLetterPlace) -> DeadLetterContent:
    """Return a dead letter that can be sent. Raises DeadLetterNotFound, ContentMissing, NotRedriven."""
    entry, stored = find(connection, place)
    if entry.reason == Reason.UNREADABLE_BATCH:
        raise NotRedriven(NEVER_READ)
    return reader.read(entry, stored)


def discard(connection: Connection, places: Sequence[DeadLetterPlace], origin: Origin | None) -> Results:
    """Give open dead letters up; without an origin only return the results. Raises psycopg.Error."""
    results: Results = {}
    for place in places:
        try:
            entry, _ = find(connection, place)
        except DeadLetterNotFound as error:
            results[place.name] = str(error)
            continue
        problem = "" if entry.state == "OPEN" else f"is {entry.state}"
        if not problem and origin is not None:
            problem = discard_one(connection, entry, origin)
        results[place.name] = problem
    return results


def discard_one(connection: Connection, entry: DeadLetterEntry, origin: Origin) -> str:
    """Give an open dead letter up; return why it was not."""
    with connection.transaction():
        if not connection.execute(SQL.mark_discarded, entry.row).rowcount:
            return "was changed meanwhile"
        record(connection, origin, action_on(entry, DISCARD, "DISCARDED"))
    return ""


def action_on(entry: DeadLetterEntry, action: str, state: str) -> Action:
    """Return the action for the audit log."""
    before = {"state": entry.state, "reason": entry.reason, "event_id": entry.event_id}
    return Action(action, entry.name, before, {"state": state})
