"""The tracer of a process: it sends spans once it is started with an endpoint, and is off otherwise."""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runtime.exit_codes import ExitCode
from runtime.telemetry import metrics
from runtime.telemetry.trace_context import TraceContext
from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.exporter import Exporter
from runtime.telemetry.tracing.otlp import Envelope, SpanType, Value
from runtime.telemetry.tracing.settings import OtlpEndpoint, TracingSettings

# Why spans are not sent; see exporter.
DROP_REASONS = ("queue_full", "not_accepted", "shutdown")
# Of a span; as many as OpenTelemetry's specification allows by default.
MAX_LINKS = 128


class Tracer:
    """Sends the spans of this process. `enabled` is looked at before anything else is done for a span."""

    def __init__(self) -> None:
        self.enabled = False
        self._exporter: Exporter | None = None

    @contextmanager
    def started(self, service: str, settings: TracingSettings) -> Iterator[None]:
        """Start with the endpoint of the settings, if they have one, and at the end send what is queued.

        `service` is the name of the program. The end blocks for about a second at most. Exits with CONFIG when the
        certificate cannot be read.
        """
        if settings.otlp is None:
            yield
            return
        self._start(service, settings, settings.otlp)
        try:
            yield
        finally:
            self._close()

    def _start(self, service: str, settings: TracingSettings, endpoint: OtlpEndpoint) -> None:
        metrics.create("tracing")
        for reason in DROP_REASONS:
            metrics.SPANS_DROPPED.labels(reason)
        version = importlib.metadata.version("ordermesh")
        envelope = Envelope(resource(service, version, settings), names.NAMESPACE, version)
        try:
            self._exporter = Exporter(endpoint, envelope)
        except OSError as error:
            print(f"setting OTEL_EXPORTER_OTLP_CERTIFICATE: {error}", file=sys.stderr)
            sys.exit(ExitCode.CONFIG)
        self.enabled = True

    def record(
        self,
        kind: SpanType,
        context: TraceContext,
        parent_id: str,
        times: tuple[int, int],
        values: Sequence[Value | None] = (),
        links: Sequence[TraceContext] = (),
        error: str | None = None,
    ) -> None:
        """Queue a span that has ended, as `SpanType.encode` describes; without effect while the tracer is off."""
        if self._exporter is not None:
            linked = [(each.trace_id, each.span_id) for each in links[:MAX_LINKS]]
            self._exporter.add(kind.encode(context.trace_id, context.span_id, parent_id, times, values, linked, error))

    def _close(self) -> None:
        self.enabled = False
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None


TRACER = Tracer()


def resource(service: str, version: str, settings: TracingSettings) -> dict[str, Value]:
    """Return the attributes of the resource of this process."""
    host = socket.gethostname()
    own: dict[str, Value] = {
        names.SERVICE_NAME: settings.service_name or service,
        names.SERVICE_NAMESPACE: names.NAMESPACE,
        names.SERVICE_VERSION: version,
        names.SERVICE_INSTANCE: f"{service}@{host}/{os.getpid()}",
        names.HOST_NAME: host,
        names.PROCESS_ID: os.getpid(),
    }
    return own | settings.resource


def child_of(parent: TraceContext) -> TraceContext:
    """Return the context of a new span in the trace of another."""
    return TraceContext(parent.trace_id, secrets.token_hex(8), True)


def new_trace() -> TraceContext:
    """Return the context of the first span of a new trace."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8), True)
