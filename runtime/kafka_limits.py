"""How large a batch of records may be: read from the topics, since a batch above the limit is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

MAX_MESSAGE_BYTES = "max.message.bytes"
READ_SECONDS = 2.0
# librdkafka's defaults and lower bound of batch.size and message.max.bytes.
DEFAULT_BATCH_BYTES = 1_000_000
MIN_MESSAGE_BYTES = 1_000
# A record this large is the broker's to judge: compression may bring it below the topic's limit.
BROKER_DECIDES = {"message.max.bytes": 1_000_000_000}

DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


def read_limits(client: AdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Return the largest batch that each topic takes, in bytes; the broker's limit where a topic has none of its own.

    Blocks for READ_SECONDS at most. Raises PermissionError when this user may not read it, else KafkaException.
    """
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    try:
        answers = client.describe_configs(resources, request_timeout=READ_SECONDS)
        return {each.name: int(found.result()[MAX_MESSAGE_BYTES].value) for each, found in answers.items()}
    except KafkaException as error:
        if error.args[0].code() in DENIED:
            raise PermissionError(f"this user may not read {MAX_MESSAGE_BYTES} of {', '.join(topics)}") from error
        raise


def batch_bytes(limits: Iterable[int]) -> int:
    """Return a size of batches that each of these limits allows."""
    return min(DEFAULT_BATCH_BYTES, *limits)


def batches_within(size_bytes: int) -> dict[str, int]:
    """Return a producer's properties for batches below a size; a larger record is refused by the client."""
    return {"batch.size": size_bytes, "message.max.bytes": max(size_bytes, MIN_MESSAGE_BYTES)}
