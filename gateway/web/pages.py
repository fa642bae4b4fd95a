"""The HTTP pages: the API documentation, the contracts to download, and the dashboard."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.web import contract_files, swagger_ui
from gateway.web.error_replies import unknown_paths
from gateway.web.sessions import PATH as SESSION_PATH
from gateway.web.sessions import SessionPages
from runtime import addresses
from runtime.grpc.service_tls import ServiceTls
from runtime.limited_connections import ConnectionLimits

STATIC = Path(__file__).parent / "static"
HOME_FILES = (
    "home.css",
    "home.js",
    "stream.js",
    "pipeline.js",
    "chart.js",
    "last-orders.js",
    "test-order.js",
    "reconciliation.js",
    "format.js",
)
LOGIN_FILES = ("login.js",)
DEAD_LETTER_FILES = tuple(f"dead-letters/{name}" for name in ("page.css", "page.js", "content.js", "changes.js"))
ORDER_FILES = ("order/page.css", "order/page.js")
STATIC_FILES = (*HOME_FILES, *LOGIN_FILES, *DEAD_LETTER_FILES, *ORDER_FILES, "icon.svg", "docs.js")
# Pages load resources only from this origin.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# Swagger UI sets inline styles and draws its icons from data.
DOCS_POLICY = POLICY | {"style-src": "'self' 'unsafe-inline'", "img-src": "'self' data:"}
# Twice as many as Envoy opens. One that is in use when its time is over is a request that Envoy sends again.
MAX_CONNECTIONS = 512
CONNECTION_SECONDS = 600.0
# What is in memory of a file for a client that does not read.
CHUNK_BYTES = 16 * 1024
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def file(path: Path, content_type: str | None = None, status: int = 200) -> Handler:
    """Return a handler that serves a file."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(path, chunk_size=CHUNK_BYTES, status=status)
        if content_type:
            response.content_type = content_type
        return response

    return answer


async def healthz(request: web.Request) -> web.Response:
    """Return 200: the pages are served."""
    return web.Response(text="ok\n")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the content security policy and the caching headers."""
    policy = DOCS_POLICY if request.path.startswith("/docs") else POLICY
    response.headers["Content-Security-Policy"] = "; ".join(
        f"{directive} {source}" for directive, source in policy.items()
    )
    response.headers.update(HEADERS)


def application(sessions_socket: str, swagger_ui_jar: str = "") -> web.Application:
    """Return the application with all pages; the stack makes sessions on a socket, empty without one."""
    app = web.Application(middlewares=[unknown_paths])
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/", file(STATIC / "home.html"))
    app.router.add_get("/dead-letters", file(STATIC / "dead-letters" / "page.html"))
    app.router.add_get("/order", file(STATIC / "order" / "page.html"))
    app.router.add_get("/login", file(STATIC / "login.html"))
    sessions = SessionPages(sessions_socket)
    app.router.add_post(SESSION_PATH, sessions.begin)
    app.router.add_delete(SESSION_PATH, sessions.end)
    add_docs(app, swagger_ui_jar)
    app.router.add_get("/openapi.json", file(contract_files.OPENAPI))
    app.router.add_get("/descriptor.binpb", file(contract_files.DESCRIPTORS, "application/x-protobuf"))
    app.router.add_get("/healthz", healthz)
    for name in STATIC_FILES:
        app.router.add_get(f"/static/{name}", file(STATIC / name))
    return app


def add_docs(app: web.Application, swagger_ui_jar: str) -> None:
    """Add the API documentation; without Swagger UI a page that says how to get it."""
    files = swagger_ui.read_files(swagger_ui_jar)
    page = file(STATIC / "docs.html") if files else file(STATIC / "no-docs.html", status=503)
    for path in ("/docs", "/docs/"):
        app.router.add_get(path, page)
    for name, body in files.items():
        app.router.add_get(f"/docs/{name}", swagger_ui.served(name, body, CHUNK_BYTES))


async def serve(
    address: str, sessions_socket: str, tls: ServiceTls | None = None, swagger_ui_jar: str = ""
) -> web.AppRunner:
    """Serve the pages at an address, with TLS on host:port if it is on, until the runner is cleaned up.

    Raises OSError when it cannot be bound.
    """
    listening: list[asyncio.Server] = []

    async def stop_listening(_: web.Application) -> None:
        for each in listening:
            each.close()

    app = application(sessions_socket, swagger_ui_jar)
    app.on_shutdown.append(stop_listening)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    limited = ConnectionLimits(server_of(runner), MAX_CONNECTIONS, CONNECTION_SECONDS)
    listening.append(await listen(address, limited, tls))
    return runner


def server_of(runner: web.AppRunner) -> web.Server:
    """Return the server of a runner that was set up."""
    server = runner.server
    if server is None:
        raise RuntimeError("the runner was not set up")
    return server


async def listen(address: str, protocols: ConnectionLimits, tls: ServiceTls | None) -> asyncio.Server:
    """Listen on unix:/path or host:port, the latter with TLS if it is on. Raises OSError when it cannot be bound."""
    loop = asyncio.get_running_loop()
    with addresses.binding(address):
        path = addresses.socket_path(address)
        if path is not None:
            return await loop.create_unix_server(protocols, str(path))
        host, _, port = address.rpartition(":")
        return await loop.create_server(protocols, host, int(port), ssl=tls.server_context() if tls else None)
