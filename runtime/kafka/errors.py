"""Which of Kafka's answers to a record are about the record, and which about the state of the cluster."""

from __future__ import annotations

from confluent_kafka import KafkaError

# Sending the same bytes again cannot succeed. A broker answers so for a whole batch: the record at fault shows alone.
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
# The record is well, but this user may not write to the topic or the topic is not there: somebody has to change that.
ABOUT_ACCESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not write to the topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not write with idempotence",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic was deleted",
    KafkaError._UNKNOWN_TOPIC: "there is no such topic",
    KafkaError._UNKNOWN_PARTITION: "there is no such partition",
    KafkaError.TOPIC_EXCEPTION: "the topic's name is not allowed",
}
# All others are about the cluster, or about the time of sending (INVALID_TIMESTAMP: a clock is wrong): sent again later
# the record can be taken. So is a code that this version does not know, since waiting loses nothing.


def is_about_record(error: KafkaError) -> bool:
    """Tell whether Kafka or its client refuses a record, or the batch it was in, for good."""
    return error.code() in ABOUT_RECORDS


def is_refused(error: KafkaError) -> bool:
    """Tell whether waiting does not help: the record is refused, or the topic until somebody changes it."""
    return error.code() in ABOUT_RECORDS or error.code() in ABOUT_ACCESS
