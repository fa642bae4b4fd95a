"""Envoy's own replies: the same JSON as the services' errors for REST, the right status for gRPC."""

from __future__ import annotations

from frontdoor import limits
from frontdoor.config import Config, extension, header_is

REASON = "%LOCAL_REPLY_BODY%"
NO_ANSWER = "no answer before the deadline"
OVER_LIMIT = "over the rate limit"
TOO_LARGE = (
    f"the body is too large: at most {limits.BODY_BYTES} bytes, {limits.BATCH_BODY_BYTES} bytes for a batch of orders"
)
HEADERS_TOO_LARGE = f"the headers are too large: at most {limits.HEADERS_KIB} KiB in {limits.HEADERS_COUNT} headers"
# google.rpc.Code
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
RESOURCE_EXHAUSTED = 8
OUT_OF_RANGE = 11
INTERNAL = 13
UNAVAILABLE = 14
# HTTP status -> google.rpc.Code and message. Too large is OUT_OF_RANGE: clients try RESOURCE_EXHAUSTED again.
REPLIES = {
    400: (INVALID_ARGUMENT, "the request cannot be read (%RESPONSE_CODE_DETAILS%)"),
    404: (NOT_FOUND, "no such path or method: %REQ(:METHOD)% %PATH(NQ:PATH):200%; /docs shows those that exist"),
    408: (DEADLINE_EXCEEDED, "the request did not arrive in time"),
    413: (OUT_OF_RANGE, TOO_LARGE),
    429: (RESOURCE_EXHAUSTED, OVER_LIMIT),
    431: (OUT_OF_RANGE, HEADERS_TOO_LARGE),
    502: (UNAVAILABLE, REASON),
    503: (UNAVAILABLE, f"the service is unavailable, try again: {REASON}"),
    504: (DEADLINE_EXCEEDED, NO_ANSWER),
}
# Envoy's flag of a request that lasted longer than it may.
DURATION_TIMEOUT = "DT"
ORIGINAL_PATH = "x-envoy-original-path"


def local_replies() -> Config:
    """Return the mappings; the first that matches is taken."""
    return {
        "mappers": [
            deadline_passed(),
            json_reply([transcoder_refused()], INVALID_ARGUMENT, REASON),
            *(json_reply([status_is("EQ", status)], *reply) for status, reply in REPLIES.items()),
            json_reply([status_is("GE", 500)], INTERNAL, REASON),
            json_reply([status_is("GE", 400)], INVALID_ARGUMENT, "the request is refused (%RESPONSE_CODE_DETAILS%)"),
            grpc_reply(413, OUT_OF_RANGE, TOO_LARGE),
            grpc_reply(429, RESOURCE_EXHAUSTED, OVER_LIMIT),
        ]
    }


def deadline_passed() -> Config:
    """Map a deadline that a REST client gave with `grpc-timeout`: Envoy's 408 would say that the client was slow."""
    timeout = {"response_flag_filter": {"flags": [DURATION_TIMEOUT]}}
    return {**json_reply([timeout], DEADLINE_EXCEEDED, NO_ANSWER), "status_code": 504}


def transcoder_refused() -> Config:
    """Match 400 of the transcoder, whose reason stands for itself."""
    words = "response.code == 400 && response.code_details.contains('grpc_json_transcode_failure')"
    cel = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    return {"extension_filter": extension("envoy.access_loggers.extension_filters.cel", cel, expression=words)}


def json_reply(filters: list[Config], code: int, message: str) -> Config:
    """Return the mapping of replies to REST clients that pass all filters."""
    shape = {"code": code, "message": message, "details": []}
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


def grpc_reply(status: int, code: int, message: str) -> Config:
    """Return the mapping of replies to gRPC clients, which would see another code or an unclear message."""
    return {
        "filter": status_is("EQ", status),
        "headers_to_add": [
            {
                "header": {"key": "grpc-status", "value": str(code)},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "body_format_override": {"text_format_source": {"inline_string": message}},
    }


def status_is(comparison: str, status: int) -> Config:
    """Match the HTTP status."""
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{comparison.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
