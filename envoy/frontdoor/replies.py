"""Envoy's own replies: the same JSON as the services' errors for REST, the right status for gRPC."""

from __future__ import annotations

import base64
from typing import NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import (
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OUT_OF_RANGE,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Code,
)
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from frontdoor import limits
from frontdoor.config import Config, extension, header_is

TEXT = "%LOCAL_REPLY_BODY%"
DETAILS = "%RESPONSE_CODE_DETAILS%"
TOO_LARGE = (
    f"the body is too large: at most {limits.BODY_BYTES} bytes, {limits.BATCH_BODY_BYTES} bytes for a batch of orders"
)
HEADERS_TOO_LARGE = f"the headers are too large: at most {limits.HEADERS_KIB} KiB in {limits.HEADERS_COUNT} headers"
NO_PATH = "no such path: %REQ(:METHOD)% %PATH(NQ:PATH):200%; /docs shows those that exist"
NO_METHOD = "%PATH(NQ:PATH):200% does not answer %REQ(:METHOD)%; the header allow names what it answers"
JSON_ONLY = "a body must be JSON, with content-type: application/json and no content-encoding"


class Reply(NamedTuple):
    """What a client is told: the reason of the contract, the gRPC code, and a text for each of REST and gRPC."""

    reason: ErrorReason
    code: int
    rest: str
    grpc: str


def told(reason: ErrorReason, code: Code.ValueType, rest: str, grpc: str = "") -> Reply:
    """Return a reply; the text for gRPC must be constant, since it also stands in the details."""
    return Reply(reason, code, rest, grpc or rest)


NO_ANSWER = told(ErrorReason.NO_ANSWER_IN_TIME, DEADLINE_EXCEEDED, "no answer before the deadline")
FAULT = told(ErrorReason.INTERNAL_FAULT, INTERNAL, TEXT, "internal error")
UNREADABLE = told(
    ErrorReason.MALFORMED_REQUEST,
    INVALID_ARGUMENT,
    f"the request cannot be read ({DETAILS})",
    "the request cannot be read",
)
REFUSED = told(
    ErrorReason.MALFORMED_REQUEST, INVALID_ARGUMENT, f"the request is refused ({DETAILS})", "the request is refused"
)
UNSUPPORTED = told(ErrorReason.UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT, JSON_ONLY)
UNREACHABLE = told(
    ErrorReason.SERVICE_UNAVAILABLE,
    UNAVAILABLE,
    f"the service is unavailable, try again: {TEXT}",
    "the service is unavailable, try again",
)
# Too large is OUT_OF_RANGE: clients try RESOURCE_EXHAUSTED again.
REPLIES = {
    400: UNREADABLE,
    404: told(
        ErrorReason.PATH_NOT_FOUND,
        NOT_FOUND,
        NO_PATH,
        "no such method: ask the reflection service for those that exist",
    ),
    405: told(ErrorReason.METHOD_NOT_ALLOWED, UNIMPLEMENTED, NO_METHOD, "a gRPC call is a POST"),
    408: told(ErrorReason.REQUEST_TIMED_OUT, DEADLINE_EXCEEDED, "the request did not arrive in time"),
    413: told(ErrorReason.REQUEST_TOO_LARGE, OUT_OF_RANGE, TOO_LARGE),
    415: UNSUPPORTED,
    429: told(ErrorReason.RATE_LIMITED, RESOURCE_EXHAUSTED, "over the rate limit"),
    431: told(ErrorReason.REQUEST_TOO_LARGE, OUT_OF_RANGE, HEADERS_TOO_LARGE),
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: NO_ANSWER,
}
# gRPC has a code of its own for a method that does not exist.
GRPC_CODES = {404: UNIMPLEMENTED}
DOMAIN = "ordermesh"
INFO_TYPE = "type.googleapis.com/google.rpc.ErrorInfo"
# Envoy's flag of a request that lasted longer than it may.
DURATION_TIMEOUT = "DT"
ORIGINAL_PATH = "x-envoy-original-path"


def local_replies() -> Config:
    """Return the mappings; the first that matches is taken."""
    refused_with_text = [responded("transcode_failure"), responded("lua_response")]
    return {
        "mappers": [
            # A REST client's deadline of `grpc-timeout`: Envoy's 408 would say that the client was slow.
            {**json_reply([timed_out()], NO_ANSWER), "status_code": 504},
            grpc_reply(timed_out(), NO_ANSWER),
            *(json_reply([status_is("EQ", 400), each], told(*UNREADABLE[:2], TEXT)) for each in refused_with_text),
            json_reply([status_is("EQ", 415), responded("lua_response")], told(*UNSUPPORTED[:2], TEXT)),
            *(json_reply([status_is("EQ", status)], reply) for status, reply in REPLIES.items()),
            json_reply([status_is("GE", 500)], FAULT),
            json_reply([status_is("GE", 400)], REFUSED),
            *(grpc_reply(status_is("EQ", status), reply, GRPC_CODES.get(status)) for status, reply in REPLIES.items()),
            grpc_reply(status_is("GE", 500), FAULT),
            grpc_reply(status_is("GE", 400), REFUSED),
        ]
    }


def timed_out() -> Config:
    """Match a request that lasted longer than it may."""
    return {"response_flag_filter": {"flags": [DURATION_TIMEOUT]}}


def responded(by: str) -> Config:
    """Match a reply whose text stands for itself, by what made it."""
    cel = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    words = f"response.code_details.contains('{by}')"
    return {"extension_filter": extension("envoy.access_loggers.extension_filters.cel", cel, expression=words)}


def json_reply(filters: list[Config], reply: Reply) -> Config:
    """Return the mapping of replies to REST clients that pass all filters."""
    info = {"reason": ErrorReason.Name(reply.reason), "domain": DOMAIN, "metadata": {}}
    shape = {"code": reply.code, "message": reply.rest, "details": [{"@type": INFO_TYPE, **info}]}
    return {
        "filter": {"and_filter": {"filters": [*filters, asked_over_rest()]}},
        "body_format_override": {"json_format": shape, "content_type": "application/json"},
    }


def asked_over_rest() -> Config:
    """Match a request that is not gRPC, or was not before it was transcoded."""
    return {"or_filter": {"filters": [speaks_grpc(False), transcoded(True)]}}


def asked_over_grpc() -> Config:
    """Match every other request."""
    return {"and_filter": {"filters": [speaks_grpc(True), transcoded(False)]}}


def speaks_grpc(wanted: bool) -> Config:
    """Match a request whose body is gRPC's, or one whose body is not."""
    other = {} if wanted else {"invert_match": True, "treat_missing_header_as_empty": True}
    return {"header_filter": {"header": header_is("content-type", prefix="application/grpc") | other}}


def transcoded(wanted: bool) -> Config:
    """Match a request that was transcoded, or one that was not."""
    return {"header_filter": {"header": {"name": ORIGINAL_PATH, "present_match": wanted}}}


def grpc_reply(matched: Config, reply: Reply, code: int | None = None) -> Config:
    """Return the mapping of replies to gRPC clients, with the same details."""
    status = Status(code=code or reply.code, message=reply.grpc)
    info = AnyMessage()
    info.Pack(ErrorInfo(reason=ErrorReason.Name(reply.reason), domain=DOMAIN))
    status.details.append(info)
    details = base64.b64encode(status.SerializeToString()).decode()
    headers = {"grpc-status": str(status.code), "grpc-status-details-bin": details}
    return {
        "filter": {"and_filter": {"filters": [matched, asked_over_grpc()]}},
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
        "body_format_override": {"text_format_source": {"inline_string": reply.grpc}},
    }


def status_is(comparison: str, status: int) -> Config:
    """Match the HTTP status."""
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{comparison.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
