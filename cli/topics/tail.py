"""`ordermesh topics tail`: the events in Kafka's topics, and new ones, as lines of JSON."""

from __future__ import annotations

import heapq
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, islice
from math import floor
from typing import Annotated

import typer
from confluent_kafka import Message

from cli.output.terminal import until_interrupted
from cli.target import use_local_kafka
from cli.topics.event_lines import EventLines
from cli.topics.topic_reader import Start, TopicReader
from runtime import timestamps
from runtime.kafka import topics
from runtime.kafka.settings import GroupSettings

LAST_EVENTS = 10
MOST_LAST_EVENTS = 10_000
Topics = Annotated[list[str], typer.Option("--topic", help="A topic, such as order-events.dlq; repeatable.")]
From = Annotated[
    str | None, typer.Option("--from", help="beginning, end (with --follow), or a time such as 2026-11-24T10:00:00Z.")
]
Last = Annotated[
    int | None,
    typer.Option(min=0, max=MOST_LAST_EVENTS, help=f"Number of latest events; {LAST_EVENTS} without --from."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Stop after so many lines.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Follow new events until Ctrl-C.")]


def tail(
    topic: Topics = list(topics.EVENT_TOPICS),  # noqa: B006  # typer wants a list, which it copies
    begin: From = None,
    last: Last = None,
    limit: Limit = None,
    follow: Follow = False,
) -> None:
    """Show events as lines of JSON: partition, offset, time, key, headers and the decoded event."""
    if begin is not None and last is not None:
        raise typer.BadParameter("--from and --last exclude each other")
    if begin == "end" and not follow:
        raise typer.BadParameter("--from end shows new events only: add --follow")
    start = start_of(begin, LAST_EVENTS if last is None else last)
    use_local_kafka()
    reader = TopicReader(GroupSettings.load(), list(dict.fromkeys(topic)), start)
    with closing(reader), until_interrupted():
        write(islice(messages_from(reader, start, follow=follow), limit), flush=follow)


def start_of(begin: str | None, last: int) -> Start:
    """Return where to start. Raises BadParameter when it is neither beginning, end nor a time."""
    if begin is None:
        return Start(last=last)
    if begin in ("beginning", "end"):
        return Start(end=begin == "end")
    try:
        time = datetime.fromisoformat(begin)
    except ValueError:
        message = f"--from must be beginning, end or a time such as 2026-11-24T10:00:00Z, is {begin!r}"
        raise typer.BadParameter(message) from None
    # In UTC without an offset, like all times that are shown.
    in_utc = time if time.tzinfo else time.replace(tzinfo=UTC)
    if not timestamps.is_time(floor(in_utc.timestamp())):
        raise typer.BadParameter(f"--from {timestamps.RULE}, is {begin!r}")
    return Start(time_ms=round(in_utc.timestamp() * 1000))


def messages_from(reader: TopicReader, start: Start, *, follow: bool) -> Iterator[Message | None]:
    """Yield the events from the start on, then new ones; None while there are none."""
    existing: Iterable[Message] = reader.existing()
    if start.last is not None:
        existing = sorted(heapq.nlargest(start.last, existing, key=position_in_time), key=position_in_time)
    return chain(existing, reader.new() if follow else ())


def position_in_time(message: Message) -> tuple[int, int]:
    """Return the time of a message in milliseconds, and its offset for the order within a millisecond."""
    return message.timestamp()[1], message.offset() or 0


def write(messages: Iterable[Message | None], *, flush: bool) -> None:
    """Write lines to the standard output. Raises BrokenPipeError when its reader has gone."""
    lines, out = EventLines(), sys.stdout.buffer
    hangup = select.poll()
    hangup.register(out.fileno(), 0)
    for message in messages:
        if message is not None:
            out.write(f"{lines.line(message)}\n".encode())
        elif hangup.poll(0):
            raise BrokenPipeError
        if flush:
            out.flush()
    out.flush()
