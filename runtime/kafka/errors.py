"""Classifies Kafka's errors for a record: caused by the record, by access rights, or by the state of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

# Sending the same bytes again cannot succeed. The error is for a whole batch; sent alone, the faulty record shows.
ABOUT_RECORDS = {
    KafkaError.MSG_SIZE_TOO_LARGE: "the batch exceeds max.message.bytes of the topic, or the record the client's limit",
    KafkaError.RECORD_LIST_TOO_LARGE: "the batch exceeds the topic's segment size",
    KafkaError.INVALID_MSG: "a record fails its checksum, or has no key in a compacted topic (older brokers)",
    KafkaError.INVALID_MSG_SIZE: "a record has an impossible size",
    KafkaError.INVALID_RECORD: "a record fails the broker's validation, such as no key in a compacted topic",
    KafkaError._INVALID_DIFFERENT_RECORD: "another record of the batch fails the broker's validation",
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: "the topic's message format cannot hold the record's headers",
    KafkaError.POLICY_VIOLATION: "a policy of the broker forbids the record",
    KafkaError._INVALID_ARG: "the client cannot represent the record",
    KafkaError._BAD_MSG: "the client cannot encode the record",
    KafkaError._QUEUE_FULL: "the record alone exceeds queue.buffering.max.kbytes of the client",
}
# The record is valid, but the user may not write to the topic, or the topic does not exist: an operator has to act.
ABOUT_ACCESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the user may not write to the topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the user may not write with idempotence",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic was deleted",
    KafkaError._UNKNOWN_TOPIC: "the topic does not exist",
    KafkaError._UNKNOWN_PARTITION: "the partition does not exist",
    KafkaError.TOPIC_EXCEPTION: "the topic's name is not allowed",
}
# All other errors, including unknown ones, are about the cluster or the time (INVALID_TIMESTAMP: a clock is wrong):
# the record can be sent again later.

# The user has no right to what was asked for.
DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


def is_about_record(error: KafkaError) -> bool:
    """Return whether Kafka or its client refuses the record, or its batch, permanently."""
    return error.code() in ABOUT_RECORDS


def is_refused(error: KafkaError) -> bool:
    """Return whether a retry cannot succeed: the record is refused, or the topic until an operator acts."""
    return error.code() in ABOUT_RECORDS or error.code() in ABOUT_ACCESS


@contextmanager
def denial_as_permission_error(message: str) -> Iterator[None]:
    """Convert authorization errors of Kafka into PermissionError."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() in DENIED:
            raise PermissionError(message) from error
        raise
