"""`ordermesh topics [tail]`: Kafka's topics with what is in them and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import typer
from pydantic import Field

from cli.output.terminal import console, plain_table
from cli.target import use_local_kafka
from cli.topics.tail import tail
from gateway.backends.event_log import EventLog
from gateway.backends.log_state import LogState, lag
from runtime.kafka.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS
from runtime.settings import Settings

TIMEOUT_SECONDS = 10.0


class GroupSettings(Settings):
    """Which group counts the events."""

    processor_group: str = Field(default="ordermesh-metrics", description="The consumer group of the processor.")


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic: its partitions, how many messages it holds and ever held, and what its reader has not committed."""

    name: str
    partitions: int
    held: int
    end: int
    lag: int | None


app = typer.Typer(invoke_without_command=True, add_completion=False)
app.command()(tail)


@app.callback()
def topics(context: typer.Context) -> None:
    """Show each topic: partitions, messages held, messages ever, and consumer lag."""
    if context.invoked_subcommand is not None:
        return
    use_local_kafka()
    settings = GroupSettings.load()
    log = EventLog(settings, settings.processor_group)
    state = asyncio.run(log.state(TIMEOUT_SECONDS))
    log.close()
    table = plain_table("topic", ">partitions", ">held", ">ever", ">lag")
    for one in topic_states(state):
        waiting = "" if one.lag is None else f"{one.lag:,}"
        table.add_row(one.name, str(one.partitions), f"{one.held:,}", f"{one.end:,}", waiting)
    console.print(table)


def topic_states(state: LogState) -> Iterator[TopicState]:
    """Sum the state of the log by topic."""
    for name in (*EVENT_TOPICS, *DEAD_LETTER_TOPICS.values()):
        own = [place for place in state.ends if place[0] == name]
        end = sum(state.ends[place] for place in own)
        starts = {place: state.starts[place] for place in own}
        ends = {place: state.ends[place] for place in own}
        waiting = lag(starts, ends, state.committed) if name in EVENT_TOPICS else None
        yield TopicState(name, len(own), end - sum(starts.values()), end, waiting)
