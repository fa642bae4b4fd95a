"""Errors of pages as JSON, in the form of every error over REST: google.rpc.Status."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler
from google.protobuf.json_format import MessageToJson
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import NotFound, ServiceError
from runtime.grpc.error_mapping import to_status

SHOWN_PATH_CHARACTERS = 200


def error_reply(error: ServiceError, status: int) -> web.Response:
    """Return the reply with an HTTP status."""
    body = MessageToJson(to_status(error), always_print_fields_with_no_presence=True, indent=None)
    return web.Response(body=body.encode(), status=status, content_type="application/json")


@web.middleware
async def unknown_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer for a path that does not exist as the front proxy does."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        path = request.rel_url.raw_path[:SHOWN_PATH_CHARACTERS]
        message = f"no such path: {request.method} {path}; see /docs for the paths"
        return error_reply(NotFound(ErrorReason.PATH_NOT_FOUND, message), 404)
