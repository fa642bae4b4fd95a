"""Takes spans and answers once Zipkin has them: who exports counts what Zipkin did not take."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from runtime.telemetry.outage import Outage
from stack.machine.ports import LOOPBACK
from stack.observe.spans.zipkin_format import translated

THREADS = 2
# What comes meanwhile is refused with RESOURCE_EXHAUSTED.
EXPORTS_AT_A_TIME, EXPORT_BYTES = 32, 4 * 1024 * 1024
ZIPKIN_SECONDS = 5.0
PATH, JSON = "/api/v2/spans", {"content-type": "application/json"}
OPTIONS = (("grpc.max_receive_message_length", EXPORT_BYTES), ("grpc.so_reuseport", 0))


class Zipkin:
    """Zipkin at a loopback port, asked with a certificate; a connection for each thread."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context
        self._own = threading.local()

    def store(self, body: bytes) -> None:
        """Store spans. Raises OSError or HTTPException when they are not stored."""
        try:
            status = self._post(body)
        except (OSError, http.client.HTTPException):
            # Zipkin closes connections that are idle. Spans that arrive twice are stored once: by their ids.
            status = self._post(body)
        if status != http.client.ACCEPTED:
            raise OSError(f"Zipkin answers {status}")

    def _post(self, body: bytes) -> int:
        connection = self._connection()
        try:
            connection.request("POST", PATH, body, JSON)
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            # It is opened again with the next request.
            connection.close()
            raise
        return reply.status

    def _connection(self) -> http.client.HTTPSConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPSConnection(
                LOOPBACK, self._port, timeout=ZIPKIN_SECONDS, context=self._context
            )
        made: http.client.HTTPSConnection = self._own.connection
        return made


class TraceService(trace_service_pb2_grpc.TraceServiceServicer):
    """OTLP's service for spans."""

    def __init__(self, zipkin: Zipkin) -> None:
        self._zipkin = zipkin
        self._outage = Outage("Zipkin")

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Give spans to Zipkin, and answer UNAVAILABLE when it does not take them."""
        spans = list(translated(request))
        asked = sum(len(scoped.spans) for group in request.resource_spans for scoped in group.scope_spans)
        try:
            self._zipkin.store(json.dumps(spans).encode())
        except (OSError, http.client.HTTPException) as error:
            self._outage.begins(error)
            context.abort(grpc.StatusCode.UNAVAILABLE, f"Zipkin does not take spans: {error}")
        self._outage.ends()
        response = trace_service_pb2.ExportTraceServiceResponse()
        if asked > len(spans):
            response.partial_success.rejected_spans = asked - len(spans)
            response.partial_success.error_message = "a span needs a trace id of 16 bytes and a span id of 8"
        return response


def server(zipkin: Zipkin) -> grpc.Server:
    """Return the server, without an address yet."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="export")
    made = grpc.server(pool, options=OPTIONS, maximum_concurrent_rpcs=EXPORTS_AT_A_TIME)
    register = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    register(TraceService(zipkin), made)  # type: ignore[no-untyped-call]  # generated
    return made
