"""`ordermesh topics`: Kafka's topics with what is in them and what waits."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets it
    AdminClient,
    OffsetSpec,
)

from cli.place import use_local_kafka
from cli.screen import console, plain_table
from runtime import kafka
from runtime.settings import Settings

TIMEOUT_SECONDS = 10.0


class GroupSettings(Settings):
    """Which group counts the events."""

    processor_group: str = "ordermesh-metrics"


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic: its partitions, how many messages it holds and ever held, and what its reader has not committed."""

    name: str
    partitions: int
    held: int
    end: int
    lag: int | None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(topics)


def topics() -> None:
    """Show each topic: partitions, messages held, messages ever, and the processor's lag."""
    use_local_kafka()
    settings = GroupSettings.load()
    client = kafka.admin(settings, "ordermesh-topics")
    table = plain_table("topic", ">partitions", ">held", ">ever", ">lag")
    for one in states(client, settings.processor_group):
        lag = "" if one.lag is None else f"{one.lag:,}"
        table.add_row(one.name, str(one.partitions), f"{one.held:,}", f"{one.end:,}", lag)
    console.print(table)


def states(client: AdminClient, group: str) -> list[TopicState]:
    """Return the state of every topic of ours that exists."""
    known = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    names = [name for name in (*kafka.EVENT_TOPICS, *kafka.DEAD_LETTER_TOPICS.values()) if name in known]
    places = [TopicPartition(name, number) for name in names for number in known[name].partitions]
    begins = offsets(client, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # the library has no types
    ends = offsets(client, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the library has no types
    committed = committed_offsets(client, group)
    found = []
    for name in names:
        own = [(name, number) for number in known[name].partitions]
        end = sum(ends[place] for place in own)
        held = end - sum(begins[place] for place in own)
        lag = sum(ends[place] - max(committed.get(place, 0), begins[place]) for place in own)
        found.append(TopicState(name, len(own), held, end, lag if name in kafka.EVENT_TOPICS else None))
    return found


def offsets(client: AdminClient, places: list[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    """Return one offset of each partition."""
    futures = client.list_offsets(dict.fromkeys(places, spec), request_timeout=TIMEOUT_SECONDS)
    return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}


def committed_offsets(client: AdminClient, group: str) -> dict[tuple[str, int], int]:
    """Return what a group has committed."""
    futures = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_SECONDS)
    places = futures[group].result().topic_partitions or []
    return {(place.topic, place.partition): place.offset for place in places if place.offset >= 0}
