"""The trace of the call that runs, for its log lines; set for sampled traces only."""

from __future__ import annotations

from contextvars import ContextVar

from runtime.telemetry.trace_context import TraceContext

CURRENT: ContextVar[TraceContext | None] = ContextVar("logged_trace", default=None)
