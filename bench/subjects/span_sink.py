"""A collector that takes spans and drops them, so that a benchmark pays for sending and not for storing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from runtime.telemetry.tracing.exporter import METHOD


@contextlib.contextmanager
def span_sink() -> Iterator[str]:
    """Take spans on a port of loopback; yield its endpoint."""
    _, service, method = METHOD.split("/")
    drop: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: drop})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
