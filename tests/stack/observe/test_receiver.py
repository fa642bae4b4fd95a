"""Whoever exports spans is told whether Zipkin has them."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from stack.observe.certificates import Certificates
from stack.observe.client_tls import CLIENTS, SERVER, SERVER_KEY, client_context
from stack.observe.spans.receiver import Zipkin, server


class Store(ThreadingHTTPServer):
    """Stands for Zipkin: demands a certificate, and closes each connection after its reply without saying so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / CLIENTS))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(folder / SERVER, folder / SERVER_KEY)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.stored: list[dict[str, object]] = []
        self.status = http.client.ACCEPTED

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients without a certificate."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def do_POST(self) -> None:
        self.server.stored += json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    certificates = Certificates()
    certificates.let_answer("zipkin", tmp_path / "server", None)
    certificates.let_ask("spans", tmp_path / "client", None)
    made = Store(tmp_path / "server")
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def traces(store: Store, tmp_path: Path) -> Iterator[TraceServiceStub]:
    address = f"unix:{tmp_path}/s.sock"
    receiver = server(Zipkin(store.server_address[1], client_context(tmp_path / "client")))
    receiver.add_insecure_port(address)
    receiver.start()
    with grpc.insecure_channel(address) as channel:
        yield TraceServiceStub(channel)
    receiver.stop(None).wait()


def request(number: int, trace_id: bytes = bytes(16)) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.add(trace_id=trace_id, span_id=bytes([number] * 8), name="place")
    return made


def test_spans_are_stored_also_when_the_store_has_closed_the_connection(store: Store, traces: TraceServiceStub) -> None:
    for number in range(1, 6):
        traces.Export(request(number), timeout=20)
    assert {one["id"] for one in store.stored} == {f"0{number}" * 8 for number in range(1, 6)}


def test_spans_that_are_not_stored_are_refused(store: Store, traces: TraceServiceStub) -> None:
    store.status = http.client.INTERNAL_SERVER_ERROR
    with pytest.raises(grpc.RpcError) as refused:
        traces.Export(request(1), timeout=20)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "Zipkin does not take spans: Zipkin answers 500" in refused.value.details()


def test_spans_without_ids_are_counted_as_rejected(store: Store, traces: TraceServiceStub) -> None:
    reply = traces.Export(request(1, trace_id=b"short"), timeout=20)
    assert reply.partial_success.rejected_spans == 1
    assert store.stored == []


def test_who_has_no_certificate_stores_nothing(store: Store) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((OSError, http.client.HTTPException)):
        Zipkin(store.server_address[1], context).store(b"[]")
    assert store.stored == []
