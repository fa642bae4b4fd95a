"""Sends encoded spans to a collector from a thread; what does not fit into its queue is dropped and counted."""

from __future__ import annotations

import threading
import time
from collections import deque

import grpc

from runtime.backoff import Backoff
from runtime.telemetry import metrics
from runtime.telemetry.outage import Outage
from runtime.telemetry.tracing.otlp import Envelope
from runtime.telemetry.tracing.settings import OtlpEndpoint

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MAX_QUEUED_SPANS = 8192
BATCH_SPANS = 512
DELAY_SECONDS = 1.0
CALL_SECONDS = 5.0
# Within runtime.process.shutdown.CLOSE_SECONDS.
CLOSE_SECONDS = 1.0
BACKOFF = Backoff(first_seconds=0.5, max_seconds=10.0)
# After which the specification of OTLP lets a client try again.
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


class Exporter:
    """A queue of encoded spans and the thread that sends them in batches. `add` may be called from any thread."""

    def __init__(self, endpoint: OtlpEndpoint, envelope: Envelope) -> None:
        self._envelope = envelope
        self._metadata = tuple(endpoint.headers.items())
        self._channel = channel(endpoint)
        self._export = self._channel.unary_unary(METHOD, bytes, bytes)
        self._queue: deque[bytes] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._outage = Outage("exporting spans")
        self._until = float("inf")
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def add(self, span: bytes) -> None:
        """Queue a span to be sent within a second; drop it when the queue is full. Does not block."""
        if len(self._queue) >= MAX_QUEUED_SPANS:
            metrics.SPANS_DROPPED.labels("queue_full").inc()
            return
        self._queue.append(span)
        if len(self._queue) == BATCH_SPANS:
            self._wake.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what is queued, and drop what is not sent within so many seconds. Blocks."""
        self._until = time.monotonic() + seconds
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)
        if left := len(self._queue):
            metrics.SPANS_DROPPED.labels("shutdown").inc(left)
        self._channel.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(DELAY_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._queue and time.monotonic() < self._until:
            spans = [self._queue.popleft() for _ in range(min(BATCH_SPANS, len(self._queue)))]
            self._send(spans)

    def _send(self, spans: list[bytes]) -> None:
        """Send spans, again after errors that may pass; drop them when the collector refuses them or at the end."""
        request = self._envelope.request(spans)
        while (error := self._try(request)) is not None:
            delay_seconds = BACKOFF.delay_seconds(self._outage.begins(error, component="collector"))
            if error.code() not in RETRYABLE or self._closing.is_set():
                metrics.SPANS_DROPPED.labels("not_accepted").inc(len(spans))
                return
            self._closing.wait(delay_seconds)
        self._outage.ends()
        metrics.SPANS_EXPORTED.inc(len(spans))

    def _try(self, request: bytes) -> grpc.RpcError | None:
        """Send a request once; return the error of the call, None if it succeeded."""
        seconds = max(0.0, min(CALL_SECONDS, self._until - time.monotonic()))
        try:
            self._export(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            return error
        return None


def channel(endpoint: OtlpEndpoint) -> grpc.Channel:
    """Return the channel to a collector, which connects with the first call. Raises OSError for its certificate."""
    if not endpoint.secure:
        return grpc.insecure_channel(endpoint.target)
    authorities = None if endpoint.certificate is None else endpoint.certificate.read_bytes()
    return grpc.secure_channel(endpoint.target, grpc.ssl_channel_credentials(authorities))
