"""The span of a transaction within a call whose trace is sampled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.postgres.connection_types import AsyncConnection
from runtime.telemetry.tracing import names, server_span
from runtime.telemetry.tracing.otlp import Kind, SpanType
from runtime.telemetry.tracing.tracer import TRACER, child_of

NAME = "transaction"
TRANSACTION = SpanType(
    NAME,
    Kind.CLIENT,
    {names.DB_SYSTEM: names.POSTGRESQL, names.DB_OPERATION: NAME},
    (names.DB_NAMESPACE, names.ERROR_TYPE),
)


@contextmanager
def transaction_span(connection: AsyncConnection) -> Iterator[None]:
    """Record the span of a transaction from the begin to the commit; nothing without a span of the call that runs."""
    call = server_span.current()
    if call is None:
        yield
        return
    started_ns, database, failure = time.time_ns(), connection.info.dbname, None
    try:
        yield
    except BaseException as error:
        failure = type(error).__name__
        raise
    finally:
        values = (database, failure)
        message = None if failure is None else ""
        times = (started_ns, time.time_ns())
        TRACER.record(TRANSACTION, child_of(call.context), call.context.span_id, times, values, (), message)
