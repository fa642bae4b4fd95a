"""The span of a group commit, linked with the spans of the calls whose orders it stored."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.otlp import Kind, SpanType
from runtime.telemetry.tracing.server_span import ServerSpan
from runtime.telemetry.tracing.tracer import TRACER, new_trace

INSERT_ORDERS = SpanType(
    "INSERT orders",
    Kind.CLIENT,
    {
        names.DB_SYSTEM: names.POSTGRESQL,
        names.DB_NAMESPACE: "orders",
        names.DB_OPERATION: "INSERT",
        names.DB_COLLECTION: "orders",
    },
    (names.DB_BATCH_SIZE, names.ERROR_TYPE),
)


def record_commit(calls: Sequence[ServerSpan], times: tuple[int, int], orders: int, error: str | None) -> None:
    """Record the span of a batch with sampled calls; `times` are nanoseconds since 1970, `error` the type of a failure.

    It has a trace of its own: a batch has many orders, and none of them caused it.
    """
    context = new_trace()
    for call in calls:
        call.links.append(context)
    # A batch of one has no size, by the conventions.
    values = (orders if orders > 1 else None, error)
    links = [call.context for call in calls]
    TRACER.record(INSERT_ORDERS, context, "", times, values, links, None if error is None else "")
