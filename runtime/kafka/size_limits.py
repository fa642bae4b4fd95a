"""The maximum sizes of batches, read from the topics: a larger batch is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from runtime.kafka import clients, topics
from runtime.kafka.errors import denial_as_permission_error
from runtime.kafka.settings import KafkaSettings
from runtime.telemetry.logging import logger

MAX_MESSAGE_BYTES = "max.message.bytes"
READ_SECONDS = 2.0
# librdkafka's defaults and lower bound of batch.size and message.max.bytes.
DEFAULT_BATCH_BYTES = 1_000_000
MIN_MESSAGE_BYTES = 1_000
MAX_LIMIT_BYTES = 2**31 - 1
# The broker decides how large a record may be.
BROKER_DECIDES = {"message.max.bytes": 1_000_000_000}
# A record that was compressed may exceed the limit uncompressed. With zstd, librdkafka cannot read batches that
# decompress to more than receive.message.max.bytes; gzip has no such limit.
AS_LARGE_AS_THE_BROKER_TAKES: dict[str, str | int] = {**BROKER_DECIDES, "compression.type": "gzip"}


def read_limits(client: AdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Return the maximum batch size of each topic in bytes; the broker's limit if a topic has none.

    Blocks for READ_SECONDS at most. Raises PermissionError when the user may not read it, else KafkaException.
    """
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    with denial_as_permission_error(f"the user may not read {MAX_MESSAGE_BYTES} of {', '.join(topics)}"):
        answers = client.describe_configs(resources, request_timeout=READ_SECONDS)
        return {each.name: int(found.result()[MAX_MESSAGE_BYTES].value) for each, found in answers.items()}


def batch_bytes(limits: Iterable[int]) -> int:
    """Return a batch size that each of these limits allows."""
    return min(DEFAULT_BATCH_BYTES, *limits)


def batches_within(size_bytes: int) -> dict[str, int]:
    """Return a producer's properties for batches up to a size; the client refuses larger records."""
    return {"batch.size": size_bytes, "message.max.bytes": max(size_bytes, MIN_MESSAGE_BYTES)}


def known_batch_bytes(settings: KafkaSettings, client_id: str, topics: Sequence[str]) -> int:
    """Return a batch size that all topics allow, librdkafka's default if the limits cannot be read."""
    try:
        return batch_bytes(read_limits(clients.admin(settings, client_id), topics).values())
    except (PermissionError, KafkaException) as error:
        logger().warning("topic limits cannot be read", error=error)
        return DEFAULT_BATCH_BYTES


def raise_dead_letter_limits(client: AdminClient) -> list[str]:
    """Raise the limit of each dead letter topic above that of its event topic; return the names of the changed topics.

    Raises PermissionError and KafkaException as read_limits does.
    """
    limits = read_limits(client, [*topics.DEAD_LETTER_TOPICS, *topics.DEAD_LETTER_TOPICS.values()])
    wanted = {dlq: dead_letter_bytes(limits[topic]) for topic, dlq in topics.DEAD_LETTER_TOPICS.items()}
    too_low = {name: size_bytes for name, size_bytes in wanted.items() if limits[name] < size_bytes}
    if too_low:
        resources = [limit_of(name, size_bytes) for name, size_bytes in too_low.items()]
        with denial_as_permission_error(f"the user may not raise {MAX_MESSAGE_BYTES} of {', '.join(too_low)}"):
            for done in client.incremental_alter_configs(resources, request_timeout=READ_SECONDS).values():
                done.result()
    return list(too_low)


def dead_letter_bytes(event_bytes: int) -> int:
    """Return the limit of dead letters for a limit of events: encoded headers are a third larger."""
    return min(max(topics.MAX_DEAD_LETTER_BYTES, 2 * event_bytes), MAX_LIMIT_BYTES)


def limit_of(topic: str, size_bytes: int) -> ConfigResource:
    """Return the change that sets the limit of a topic."""
    entry = ConfigEntry(MAX_MESSAGE_BYTES, str(size_bytes), incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
