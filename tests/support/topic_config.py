"""Changes a topic's configuration for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from waiting import await_true

from runtime.kafka.clients import admin
from runtime.kafka.settings import KafkaSettings


@contextmanager
def topic_config(settings: KafkaSettings, topic: str, **properties: str) -> Iterator[None]:
    """Set properties, named with _ for each dot, and take them away again."""
    client = admin(settings, "tests")
    wanted = {name.replace("_", "."): value for name, value in properties.items()}
    before = shown(client, topic)
    alter(client, topic, wanted)
    try:
        yield
    finally:
        alter(client, topic, {name: before[name] for name in wanted})


def alter(client: AdminClient, topic: str, wanted: dict[str, str]) -> None:
    """Set properties and wait until the broker has them."""
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in wanted.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    client.incremental_alter_configs([resource])[resource].result()
    await_true(lambda: wanted.items() <= shown(client, topic).items(), f"{topic} has its settings")


def shown(client: AdminClient, topic: str) -> dict[str, str]:
    """Return the topic's properties."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return {name: entry.value for name, entry in client.describe_configs([resource])[resource].result().items()}
