"""The HTTP endpoint that serves /metrics and /health.

A service of one process serves its own registry. A service with child processes gives them a folder (see
runtime/process/process_supervisor.py) and serves the sum.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class QuietHandler(WSGIRequestHandler):
    """Writes no access log."""

    def log_message(self, format: str, *args: object) -> None:
        """Do nothing."""


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Answers each request on its own thread: a slow scrape must not delay a health check."""

    daemon_threads = True


def serve(address: str, health: Callable[[], bytes] | None = None) -> WSGIServer:
    """Serve /metrics, and /health if given, on host:port. Raises OSError when the port is taken."""
    host, _, port = address.rpartition(":")
    folder = os.environ.get(MULTIPROCESS_FOLDER)
    registry = REGISTRY
    if folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library has no types here
    metrics_app = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if health is None or environ.get("PATH_INFO") != "/health":
            return metrics_app(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [health()]

    server = make_server(host, int(port), answer, ThreadingServer, QuietHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
