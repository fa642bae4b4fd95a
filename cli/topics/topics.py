"""`ordermesh topics [tail]`: Kafka's topics, their messages and the consumer lag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import typer

from cli.output.terminal import console, plain_table
from cli.target import use_local_kafka
from cli.topics.tail import tail
from gateway.backends.event_topics import EventLog
from gateway.backends.topic_state import LogState, lag
from runtime.kafka.settings import GroupSettings
from runtime.kafka.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic: partitions, retained messages, messages ever written, and the lag of the processor's group."""

    name: str
    partitions: int
    retained: int
    written: int
    lag: int | None


app = typer.Typer(invoke_without_command=True, add_completion=False)
app.command()(tail)


@app.callback()
def topics(context: typer.Context) -> None:
    """Show the partitions, messages and consumer lag of each topic; tail shows events."""
    if context.invoked_subcommand is not None:
        return
    use_local_kafka()
    settings = GroupSettings.load()
    log = EventLog(settings, settings.processor_group)
    state = asyncio.run(log.state(TIMEOUT_SECONDS))
    log.close()
    table = plain_table("topic", ">partitions", ">retained", ">written", ">lag")
    for one in topic_states(state):
        waiting = "" if one.lag is None else f"{one.lag:,}"
        table.add_row(one.name, str(one.partitions), f"{one.retained:,}", f"{one.written:,}", waiting)
    console.print(table)
    if state.offline:
        console.print(f"{state.offline} partitions have no leader and are left out")


def topic_states(state: LogState) -> Iterator[TopicState]:
    """Yield the sums of each topic."""
    for name in (*EVENT_TOPICS, *DEAD_LETTER_TOPICS.values()):
        own = [place for place in state.ends if place[0] == name]
        end = sum(state.ends[place] for place in own)
        starts = {place: state.starts[place] for place in own}
        ends = {place: state.ends[place] for place in own}
        waiting = lag(starts, ends, state.committed) if name in EVENT_TOPICS else None
        yield TopicState(name, len(own), end - sum(starts.values()), end, waiting)
