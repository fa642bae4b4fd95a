"""Envoy's local replies: JSON of the same form as service errors for REST, a status with the same details for gRPC."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import (
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OUT_OF_RANGE,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Code,
)
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from frontdoor.config import Config, extension, header_is
from frontdoor.filters import delay_admission
from frontdoor.policies import limits

TEXT = "%LOCAL_REPLY_BODY%"
DETAILS = "%RESPONSE_CODE_DETAILS%"
TOO_LARGE = (
    f"request body too large: at most {limits.BODY_BYTES} bytes, {limits.BATCH_BODY_BYTES} bytes for a batch of orders"
)
HEADERS_TOO_LARGE = f"request headers too large: at most {limits.HEADERS_KIB} KiB in {limits.HEADERS_COUNT} headers"
NO_PATH = "no such path: %REQ(:METHOD)% %PATH(NQ:PATH):200%; see /docs for the paths"
NO_METHOD = "%PATH(NQ:PATH):200% does not allow %REQ(:METHOD)%; see the allow header"
NO_CREDENTIALS = "no valid credentials: send authorization: Bearer with a key or token"
ONE_CREDENTIAL = "no valid credentials: send one, as authorization: Bearer, as x-api-key or as the cookie of a session"
NOT_ALLOWED = "the role of the caller does not allow this call"
CROSS_SITE = "this is not for pages of other sites"
NO_HOST = "no such host: %REQ(:AUTHORITY):200%; the setting ORDERMESH_FRONT_HOSTS adds host names"
JSON_ONLY = "the body must be JSON, with content-type: application/json and no content-encoding"


class Reply(NamedTuple):
    """The content of a local reply: reason of the contract, gRPC code, and one message each for REST and gRPC."""

    reason: ErrorReason
    code: int
    rest: str
    grpc: str


def reply(reason: ErrorReason, code: Code.ValueType, rest: str, grpc: str = "") -> Reply:
    """Return a reply; the message for gRPC must be constant, because the details repeat it."""
    return Reply(reason, code, rest, grpc or rest)


NO_ANSWER = reply(ErrorReason.NO_ANSWER_IN_TIME, DEADLINE_EXCEEDED, "no response before the deadline")
FAULT = reply(ErrorReason.INTERNAL_FAULT, INTERNAL, TEXT, "internal error")
UNREADABLE = reply(
    ErrorReason.MALFORMED_REQUEST,
    INVALID_ARGUMENT,
    f"malformed request ({DETAILS})",
    "malformed request",
)
REFUSED = reply(ErrorReason.MALFORMED_REQUEST, INVALID_ARGUMENT, f"request rejected ({DETAILS})", "request rejected")
UNSUPPORTED = reply(ErrorReason.UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT, JSON_ONLY)
CROSS_ORIGIN = reply(
    ErrorReason.CROSS_SITE_REQUEST,
    PERMISSION_DENIED,
    "a page of %REQ(ORIGIN):200% may not send this request",
    "a page of another site may not call this",
)
UNREACHABLE = reply(
    ErrorReason.SERVICE_UNAVAILABLE,
    UNAVAILABLE,
    f"service unavailable, retry: {TEXT}",
    "service unavailable, retry",
)
BODIES_AT_ONCE = reply(
    ErrorReason.RATE_LIMITED,
    RESOURCE_EXHAUSTED,
    f"too many large bodies or long lists at a time: bodies of {limits.LARGE_BODY_BYTES} bytes or more may have at most"
    f" {limits.LARGE_BODIES_BYTES} bytes together; a list of 100 or more counts as {limits.LONG_LIST_BYTES}",
)
OVERLOADED = reply(ErrorReason.OVERLOADED, RESOURCE_EXHAUSTED, "server overloaded, retry after the given delay")
BAD_TOKEN = reply(ErrorReason.UNAUTHENTICATED, UNAUTHENTICATED, f"no valid credentials: {TEXT}")
SEVERAL = reply(ErrorReason.UNAUTHENTICATED, UNAUTHENTICATED, ONE_CREDENTIAL)
# Too large is OUT_OF_RANGE, because clients retry RESOURCE_EXHAUSTED.
REPLIES = {
    400: UNREADABLE,
    401: reply(ErrorReason.UNAUTHENTICATED, UNAUTHENTICATED, NO_CREDENTIALS),
    403: reply(ErrorReason.PERMISSION_DENIED, PERMISSION_DENIED, NOT_ALLOWED),
    404: reply(
        ErrorReason.PATH_NOT_FOUND,
        NOT_FOUND,
        NO_PATH,
        "no such method: use server reflection to list the methods",
    ),
    405: reply(ErrorReason.METHOD_NOT_ALLOWED, UNIMPLEMENTED, NO_METHOD, "gRPC requires POST"),
    408: reply(ErrorReason.REQUEST_TIMED_OUT, DEADLINE_EXCEEDED, "request not received in time"),
    413: reply(ErrorReason.REQUEST_TOO_LARGE, OUT_OF_RANGE, TOO_LARGE),
    415: UNSUPPORTED,
    421: reply(ErrorReason.HOST_NOT_ALLOWED, PERMISSION_DENIED, NO_HOST, "no such host"),
    429: reply(ErrorReason.RATE_LIMITED, RESOURCE_EXHAUSTED, "rate limit exceeded"),
    431: reply(ErrorReason.REQUEST_TOO_LARGE, OUT_OF_RANGE, HEADERS_TOO_LARGE),
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: NO_ANSWER,
}
# gRPC has its own code for a method that does not exist.
GRPC_CODES = {404: UNIMPLEMENTED}
DOMAIN = "ordermesh"
INFO_TYPE = "type.googleapis.com/google.rpc.ErrorInfo"
# Envoy's response flag for a request that exceeded its maximum duration.
DURATION_TIMEOUT = "DT"
ORIGINAL_PATH = "x-envoy-original-path"


def local_replies() -> Config:
    """Return the local reply mappers; the first match applies."""
    refused_with_text = [responded("transcode_failure"), responded("lua_response")]
    return {
        "mappers": [
            # First, because refusing has to be cheap.
            later(json_reply([status_is("EQ", 429), responded(delay_admission.REFUSED)], OVERLOADED)),
            later(grpc_reply(responded(delay_admission.REFUSED), OVERLOADED)),
            # The `grpc-timeout` of a REST client expired: Envoy's own 408 would blame a slow client.
            {**json_reply([timed_out()], NO_ANSWER), "status_code": 504},
            grpc_reply(timed_out(), NO_ANSWER),
            *(json_reply([status_is("EQ", 400), each], reply(*UNREADABLE[:2], TEXT)) for each in refused_with_text),
            json_reply([status_is("EQ", 415), responded("lua_response")], reply(*UNSUPPORTED[:2], TEXT)),
            json_reply([status_is("EQ", 429), responded("lua_response")], BODIES_AT_ONCE),
            grpc_reply(responded("lua_response"), BODIES_AT_ONCE),
            json_reply([responded("csrf_origin_mismatch")], CROSS_ORIGIN),
            grpc_reply(responded("csrf_origin_mismatch"), CROSS_ORIGIN),
            json_reply([status_is("EQ", 403), responded("lua_response")], reply(*CROSS_ORIGIN[:2], TEXT)),
            # Envoy's own 403 for a token for another audience: the token does not count here.
            challenged({**json_reply([responded("jwt_authn")], BAD_TOKEN), "status_code": 401}),
            challenged(grpc_reply(responded("jwt_authn"), REPLIES[401])),
            challenged({**json_reply([responded("[one-credential]")], SEVERAL), "status_code": 401}),
            challenged(grpc_reply(responded("[one-credential]"), SEVERAL)),
            challenged({**json_reply([responded("[unsound-token]")], REPLIES[401]), "status_code": 401}),
            challenged(grpc_reply(responded("[unsound-token]"), REPLIES[401])),
            challenged(json_reply([status_is("EQ", 401)], REPLIES[401])),
            challenged(grpc_reply(status_is("EQ", 401), REPLIES[401])),
            *(json_reply([status_is("EQ", status)], each) for status, each in REPLIES.items()),
            json_reply([status_is("GE", 500)], FAULT),
            json_reply([status_is("GE", 400)], REFUSED),
            *(grpc_reply(status_is("EQ", status), each, GRPC_CODES.get(status)) for status, each in REPLIES.items()),
            grpc_reply(status_is("GE", 500), FAULT),
            grpc_reply(status_is("GE", 400), REFUSED),
        ]
    }


def later(mapper: Config) -> Config:
    """Return a mapper whose reply says when to retry."""
    header = {"header": {"key": "retry-after", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {**mapper, "headers_to_add": [*mapper.get("headers_to_add", []), header]}


def challenged(mapper: Config) -> Config:
    """Return a mapper whose reply names the authentication scheme, as RFC 9110 requires of 401."""
    header = {"header": {"key": "www-authenticate", "value": 'Bearer realm="ordermesh"'}}
    set_header = {**header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {**mapper, "headers_to_add": [*mapper.get("headers_to_add", []), set_header]}


def timed_out() -> Config:
    """Match a request that exceeded its maximum duration."""
    return {"response_flag_filter": {"flags": [DURATION_TIMEOUT]}}


def responded(by: str) -> Config:
    """Match a reply whose body is sent unchanged, by the filter that made it."""
    cel = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    condition = f"response.code_details.contains('{by}')"
    return {"extension_filter": extension("envoy.access_loggers.extension_filters.cel", cel, expression=condition)}


def json_reply(filters: list[Config], content: Reply) -> Config:
    """Return the mapper for replies to REST clients that match all filters."""
    info = {"reason": ErrorReason.Name(content.reason), "domain": DOMAIN, "metadata": {}}
    shape = {"code": content.code, "message": content.rest, "details": [{"@type": INFO_TYPE, **info}]}
    # A constant text costs less than a form that is filled in.
    body: Config = {"json_format": shape}
    if "%" not in content.rest:
        body = {"text_format_source": {"inline_string": json.dumps(shape, separators=(",", ":"))}}
    return {
        "filter": {"and_filter": {"filters": [*filters, asked_over_rest()]}},
        "body_format_override": {**body, "content_type": "application/json"},
    }


def asked_over_rest() -> Config:
    """Match a REST request: its body is not gRPC, or it was transcoded."""
    return {"or_filter": {"filters": [speaks_grpc(False), transcoded(True)]}}


def asked_over_grpc() -> Config:
    """Match a gRPC request: its body is gRPC, and it was not transcoded."""
    return {"and_filter": {"filters": [speaks_grpc(True), transcoded(False)]}}


def speaks_grpc(wanted: bool) -> Config:
    """Match a request whose content type is gRPC, or is not."""
    other = {} if wanted else {"invert_match": True, "treat_missing_header_as_empty": True}
    return {"header_filter": {"header": header_is("content-type", prefix="application/grpc") | other}}


def transcoded(wanted: bool) -> Config:
    """Match a request that was transcoded, or was not."""
    return {"header_filter": {"header": {"name": ORIGINAL_PATH, "present_match": wanted}}}


def grpc_reply(matched: Config, content: Reply, code: int | None = None) -> Config:
    """Return the mapper for replies to gRPC clients, with the same details.

    The status is 200 and there is no body: otherwise Envoy makes another code of the HTTP status for gRPC-Web, whose
    clients read no details of what is not 200.
    """
    status = Status(code=code or content.code, message=content.grpc)
    info = AnyMessage()
    info.Pack(ErrorInfo(reason=ErrorReason.Name(content.reason), domain=DOMAIN))
    status.details.append(info)
    details = base64.b64encode(status.SerializeToString()).decode()
    headers = {"grpc-status": str(status.code), "grpc-message": content.grpc, "grpc-status-details-bin": details}
    return {
        "filter": {"and_filter": {"filters": [matched, asked_over_grpc()]}},
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
        "status_code": 200,
        "body_format_override": {"text_format_source": {"inline_string": ""}},
    }


def status_is(comparison: str, status: int) -> Config:
    """Match the HTTP status."""
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{comparison.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
