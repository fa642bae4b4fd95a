"""Known bugs of a publisher."""

from orders.outbox.publisher import Publisher
from orders.outbox.sender import Sender, SendResult


def mark_before_acknowledgement() -> None:
    """Events are marked as sent when they are produced."""
    Sender.wait = lambda self, events: SendResult(sent=list(events))


def cursor_skips_late_commits() -> None:
    """What is read next begins after the largest id that was ever read of a shard."""
    read, cursors = Publisher._read, {}

    def read_after_cursor(self, claim):
        events = [event for event in read(self, claim) if event.id > cursors.get(event.shard, 0)]
        for event in events:
            cursors[event.shard] = max(event.id, cursors.get(event.shard, 0))
        return events

    Publisher._read = read_after_cursor


def newest_first() -> None:
    """Events are published in the order of nothing that says which came first."""
    read = Publisher._read
    Publisher._read = lambda self, claim: read(self, claim)[::-1]


def gives_up_in_an_outage() -> None:
    """Events that Kafka does not acknowledge in time are dead."""
    Publisher._mark_failed = lambda self, events, cause: self._mark_dead([(event, cause) for event in events])
