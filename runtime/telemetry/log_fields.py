"""The schema of log lines: names of the Elastic Common Schema (ECS), kinds in an index, and meanings.

A line is one JSON object with a constant message. A field that ECS does not know has the prefix `ordermesh.`, one of
Envoy's the prefix `envoy.`. Code uses the short names; docs/reference and the index template are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ECS_VERSION = "8.17.0"
OWN_PREFIX = "ordermesh."

# How a store indexes the values; `stored` text and `object` are shown and not searched.
Kind = Literal["date", "keyword", "text", "long", "double", "stored", "object"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of log lines: the name in a line, its kind, and its meaning."""

    name: str
    kind: Kind
    meaning: str


def own(short: str, kind: Kind, meaning: str) -> Field:
    """Return a field that ECS does not know."""
    return Field(f"{OWN_PREFIX}{short}", kind, meaning)


def table(*fields: Field) -> dict[str, Field]:
    """Return fields by their name in a line."""
    return {field.name: field for field in fields}


# On every line.
COMMON_FIELDS = table(
    Field("@timestamp", "date", "When the line was written, or the request began: RFC 3339 in UTC."),
    Field("log.level", "keyword", "debug, info, warning, error or critical."),
    Field("message", "text", "The constant message of the event."),
    Field("service.name", "keyword", "The service that wrote the line: orders, publisher, envoy, kafka and so on."),
    Field("ecs.version", "keyword", "The version of ECS."),
)

# On every line of our services.
SERVICE_FIELDS = table(
    Field("log.logger", "keyword", "The module or library that wrote the line; a level can be set for it."),
    Field("process.pid", "long", "The process that wrote the line."),
)

# Added by what reads the files: `ordermesh logs` and the shipper.
READER_FIELDS = table(
    Field("event.dataset", "keyword", "The log that the line is from: the name of the component, or access."),
)

# Beside those, on the lines of an event: by the short name that code uses.
FIELDS = {
    "address": Field("server.address", "keyword", "Listen address: unix:/path or host:port."),
    "backoff_seconds": own("backoff_seconds", "double", "Delay before the next attempt."),
    "change": own("change", "keyword", "A partition of a table that was created (+name) or dropped (-name)."),
    "child_index": own("child_index", "long", "Index of a child process in its service, from 0."),
    "committed_offset": own("committed_offset", "long", "Offset that the consumer group committed in Kafka."),
    "component": own("component", "keyword", "Component of the platform, such as kafka or postgres."),
    "counted_offset": own("counted_offset", "long", "Next offset to count, from the database."),
    "customer_id": Field("user.id", "keyword", "Id of a customer, unless a setting hashes it."),
    "customer_hash": Field("user.hash", "keyword", "Keyed hash of a customer's id, in place of user.id."),
    "detail": own("detail", "text", "Why a component of the local stack is in its state."),
    "duration_seconds": Field("event.duration", "long", "How long it lasted, in nanoseconds."),
    "error": Field("error.message", "text", "Message of the error, without the values of rows."),
    "error_code": Field("error.code", "keyword", "SQLSTATE of PostgreSQL, or Kafka's name of the error."),
    "error_type": Field("error.type", "keyword", "Class of the error."),
    "errors": own("errors", "long", "Number of errors of an outage."),
    "event_id": own("event_id", "keyword", "Id of an event, a UUIDv7."),
    "event_type": own("event_type", "keyword", "Type of an event, as in the contracts."),
    "events": own("events", "long", "Number of events."),
    "exc_info": Field("error.stack_trace", "stored", "Where the error was raised: files, lines and functions."),
    "exit_code": Field("process.exit_code", "long", "Exit code of a process, negative for a signal."),
    "grace_seconds": own("grace_seconds", "double", "Time that a process had to drain."),
    "larger_topics": own("larger_topics", "keyword", "Topics that got more partitions."),
    "levels": own("levels", "keyword", "The levels of loggers, as in ORDERMESH_LOG_LEVEL."),
    "lost": own("lost", "long", "Number of log lines that could not be written."),
    "migrations": own("migrations", "keyword", "Names of the applied migrations."),
    "missing_events": own("missing_events", "long", "Number of events that were deleted before they were counted."),
    "offset": own("offset", "long", "Offset of a Kafka record."),
    "open_files_limit": own("open_files_limit", "long", "Limit of open files of the process."),
    "open_files_needed": own("open_files_needed", "long", "Open files that the process may need."),
    "order_id": own("order_id", "keyword", "Id of an order."),
    "orders": own("orders", "long", "Number of orders."),
    "outbox_id": own("outbox_id", "long", "Id of a row of the outbox."),
    "partition": own("partition", "long", "Number of a Kafka partition."),
    "partitions": own("partitions", "long", "Number of partitions."),
    "pid": own("child_pid", "long", "Process id of a child process."),
    "processor_retention_days": own("processor_retention_days", "long", "The setting of that name."),
    "product_id": own("product_id", "keyword", "Id of a product."),
    "product_ids": own("product_ids", "keyword", "Ids of products."),
    "protocol": own("protocol", "keyword", "Consumer group protocol: classic or consumer."),
    "raised_topics": own("raised_topics", "keyword", "Topics whose size limit was raised."),
    "reason": own("reason", "text", "Why a component is in its state, or why lines were lost."),
    "record_key": own("record_key", "keyword", "Key of a Kafka record."),
    "records": own("records", "long", "Number of Kafka records."),
    "rejected_records": own("rejected_records", "long", "Number of Kafka records that cannot be counted."),
    "retention_ms": own("retention_ms", "long", "retention.ms of a topic."),
    "services": own("services", "keyword", "gRPC services of a server."),
    "settings": own("settings", "object", "The settings of the process, secrets masked."),
    "span_id": Field("span.id", "keyword", "W3C id of the span in which the line was written."),
    "state": own("state", "keyword", "State of a component."),
    "step_seconds": own("step_seconds", "double", "By how much the database clock was set, negative for back."),
    "summary": own("summary", "text", "What a reconciliation found, in words."),
    "task": own("task", "keyword", "Name of a background task."),
    "topic": own("topic", "keyword", "Kafka topic."),
    "topics": own("topics", "keyword", "Kafka topics."),
    "trace_id": Field("trace.id", "keyword", "W3C trace id of the call or the event."),
    "verdict": own("verdict", "keyword", "Verdict of a reconciliation, as in the contracts, in lower case."),
    "work": own("work", "keyword", "The work that an outage interrupts."),
}

# Beside the common fields and the trace, on the lines of the front proxy's access log.
REQUEST_FIELDS = table(
    Field("http.request.id", "keyword", "x-request-id: the client's, or one that Envoy made."),
    Field("http.request.method", "keyword", "HTTP method."),
    Field("http.request.body.bytes", "long", "Bytes of the request's body."),
    Field("http.response.status_code", "long", "HTTP status."),
    Field("http.response.body.bytes", "long", "Bytes of the response's body."),
    Field("http.version", "keyword", "HTTP/1.1 or HTTP/2."),
    Field("url.path", "keyword", "Path that the client asked for, without the query."),
    Field("user_agent.original", "keyword", "The client's user-agent, its first 200 characters."),
    Field("client.address", "keyword", "Network of the client: its address without the bits after the 24th."),
    Field("envoy.caller", "keyword", "Who called: role:subject, or the role alone where customer ids are hashed."),
    Field("envoy.duration_ms", "long", "From the request's first byte to the response's last, in milliseconds."),
    Field(
        "envoy.upstream_duration_ms", "long", "From the request's first byte to the service's first, in milliseconds."
    ),
    Field("envoy.rpc", "keyword", "/package.Service/Method that served the request, or the path without one."),
    Field("envoy.grpc_status", "keyword", "gRPC status of a gRPC call."),
    Field("envoy.response_code_details", "keyword", "Who made the response and why."),
    Field("envoy.response_flags", "keyword", "Envoy's short codes of what went wrong."),
    Field("envoy.upstream_cluster", "keyword", "The service that the request went to."),
    Field("envoy.upstream_host", "keyword", "The process of that service: socket or address."),
    Field("envoy.upstream_attempts", "long", "How often the request was sent to the service."),
    Field("envoy.traceparent", "keyword", "The traceparent that was sent to the service."),
)

ALL_FIELDS = COMMON_FIELDS | SERVICE_FIELDS | READER_FIELDS | table(*FIELDS.values()) | REQUEST_FIELDS
