"""The fields of log lines: names and meanings, for docs/reference and for the test that every line uses these names.

A log line is one JSON object with a constant `event`. Durations are in seconds.
"""

from __future__ import annotations

# On every line.
COMMON_FIELDS = {
    "time": "When the line was written, RFC 3339 in UTC.",
    "level": "debug, info, warning, error or critical.",
    "service": "The service that wrote the line.",
    "event": "The constant message of the event.",
}

# Beside those, on the lines of an event.
FIELDS = {
    "address": "Listen address: unix:/path or host:port.",
    "backoff_seconds": "Delay before the next attempt.",
    "change": "A partition of a table that was created (+name) or dropped (-name).",
    "child_index": "Index of a child process in its service, from 0.",
    "committed_offset": "Offset that the consumer group committed in Kafka.",
    "component": "Component of the platform, such as kafka or postgres.",
    "counted_offset": "Next offset to count, from the database.",
    "duration_seconds": "How long it lasted.",
    "error": "Message of the error.",
    "error_code": "Kafka's name of the error.",
    "errors": "Number of errors of an outage.",
    "event_id": "Id of an event, a UUIDv7.",
    "event_type": "Type of an event, as in the contracts.",
    "exc_info": "Traceback; in JSON it is the field exception.",
    "exit_code": "Exit code of a process, negative for a signal.",
    "grace_seconds": "Time that a process had to drain.",
    "lost": "Number of log lines that could not be written.",
    "migrations": "Names of the applied migrations.",
    "missing_events": "Number of events that were deleted before they were counted.",
    "offset": "Offset of a Kafka record.",
    "open_files_limit": "Limit of open files of the process.",
    "open_files_needed": "Open files that the process may need.",
    "order_id": "Id of an order.",
    "orders": "Number of orders.",
    "outbox_id": "Id of a row of the outbox.",
    "partition": "Number of a Kafka partition.",
    "partitions": "Number of partitions.",
    "pid": "Process id.",
    "processor_retention_days": "The setting of that name.",
    "product_id": "Id of a product.",
    "product_ids": "Ids of products.",
    "protocol": "Consumer group protocol: classic or consumer.",
    "raised_topics": "Topics whose size limit was raised.",
    "reason": "Why a component is in its state, or why lines were lost.",
    "record_key": "Key of a Kafka record.",
    "records": "Number of Kafka records.",
    "rejected_records": "Number of Kafka records that cannot be counted.",
    "retention_ms": "retention.ms of a topic.",
    "services": "gRPC services of a server.",
    "settings": "The settings of the process, secrets masked.",
    "state": "State of a component.",
    "step_seconds": "By how much the database clock was set, negative for back.",
    "summary": "What a reconciliation found, in words.",
    "task": "Name of a background task.",
    "topic": "Kafka topic.",
    "topics": "Kafka topics.",
    "trace_id": "W3C trace id of the call or the event.",
    "verdict": "Verdict of a reconciliation, as in the contracts, in lower case.",
    "work": "The work that an outage interrupts.",
}
