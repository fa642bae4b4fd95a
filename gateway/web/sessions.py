"""Sessions of the dashboard: exchanges the code of a link for a cookie. The stack makes codes and sessions."""

from __future__ import annotations

import json

import grpc
from aiohttp import web
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from gateway.backends import stack_socket
from gateway.web.error_replies import error_reply
from runtime.errors import PermissionDenied, ServiceError

# The front proxy takes the credential of a call from it.
COOKIE = "ordermesh_session"
MAX_CODE_CHARACTERS = 200
PATH = "/session"
NO_SESSION = "the link was used, is older than five minutes, or is of a stack that stopped: run ordermesh open"
JSON = "application/json"


class NotJson(ServiceError):
    """The body of the request is not declared as JSON."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class SessionPages:
    """POST /session begins a session, DELETE /session ends it."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def begin(self, request: web.Request) -> web.Response:
        """Set the cookie for a code; 403 for a code that is not valid, 415 for a body that a form could send."""
        if request.content_type != JSON:
            return error_reply(NotJson(ErrorReason.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON}"), 415)
        code = await code_of(request)
        session, _, lifetime_seconds = (
            await stack_socket.ask(self._socket, f"begin {code}") if code else ""
        ).partition(" ")
        if not session:
            return error_reply(PermissionDenied(ErrorReason.PERMISSION_DENIED, NO_SESSION), 403)
        response = web.Response(status=204)
        response.set_cookie(
            COOKIE,
            session,
            max_age=int(lifetime_seconds),
            path="/",
            httponly=True,
            samesite="Strict",
            # Set by the front proxy from the connection.
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return response

    async def end(self, request: web.Request) -> web.Response:
        """End the session of the cookie, and remove the cookie."""
        session = request.cookies.get(COOKIE, "")
        if session and session.isascii() and session.isprintable() and " " not in session:
            await stack_socket.ask(self._socket, f"end {session}")
        response = web.Response(status=204)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response


async def code_of(request: web.Request) -> str:
    """Return the code in the body, empty if there is none."""
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return ""
    code = body.get("code", "") if isinstance(body, dict) else ""
    valid = (
        isinstance(code, str) and len(code) <= MAX_CODE_CHARACTERS and code.replace("-", "").replace("_", "").isalnum()
    )
    return code if valid and code.isascii() else ""
