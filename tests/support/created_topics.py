"""Topics on a broker that has just started."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient, NewTopic

from orders.create_topics import retried
from runtime.kafka import topics


def make_topics(client: AdminClient, partitions: int) -> None:
    """Create the topics of the platform, again while the broker is fenced, as a slow machine leaves it for seconds."""
    retried(lambda: topics.create_topics(client, partitions, 1))


def make_topic(client: AdminClient, name: str, partitions: int = 1) -> None:
    """Create one topic, in the same way."""

    def create() -> list[str]:
        client.create_topics([NewTopic(name, partitions, 1)])[name].result()
        return [name]

    retried(create)
