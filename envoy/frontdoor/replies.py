"""Envoy's own replies: the same JSON as the services' errors for REST, the right status for gRPC."""

from __future__ import annotations

from frontdoor.config import Config, header_is

# HTTP status -> google.rpc.Code. 413 and 431 are OUT_OF_RANGE: clients try RESOURCE_EXHAUSTED again.
CODES = {400: 3, 404: 5, 405: 12, 408: 4, 413: 11, 429: 8, 431: 11, 502: 14, 503: 14, 504: 4}
INVALID_ARGUMENT, INTERNAL, DEADLINE_EXCEEDED, OUT_OF_RANGE = 3, 13, 4, 11
DURATION_TIMEOUT = "DT"
ORIGINAL_PATH = "x-envoy-original-path"


def local_replies() -> Config:
    """Return the mappings; the first that matches is taken."""
    return {
        "mappers": [
            deadline_passed(),
            *(json_reply([status_is("EQ", status)], code) for status, code in CODES.items()),
            json_reply([status_is("GE", 500)], INTERNAL),
            json_reply([status_is("GE", 400)], INVALID_ARGUMENT),
            too_large_for_grpc(),
        ]
    }


def deadline_passed() -> Config:
    """Map a deadline that a REST client gave with `grpc-timeout`: Envoy's 408 would say that the client was slow."""
    timeout = {"response_flag_filter": {"flags": [DURATION_TIMEOUT]}}
    return {**json_reply([timeout], DEADLINE_EXCEEDED), "status_code": 504}


def json_reply(filters: list[Config], code: int) -> Config:
    """Return the mapping of replies to REST clients that pass all filters."""
    shape = {"code": code, "message": "%LOCAL_REPLY_BODY%", "details": []}
    return {
        "filter": {"and_filter": {"filters": [*filters, asked_over_rest()]}},
        "body_format_override": {"json_format": shape, "content_type": "application/json"},
    }


def asked_over_rest() -> Config:
    """Match a request that is not gRPC, or was not before it was transcoded."""
    grpc = header_is("content-type", prefix="application/grpc") | {"invert_match": True}
    transcoded = {"name": ORIGINAL_PATH, "present_match": True}
    return {"or_filter": {"filters": [{"header_filter": {"header": header}} for header in (grpc, transcoded)]}}


def too_large_for_grpc() -> Config:
    """Map 413 to a gRPC client, which would see UNKNOWN."""
    status = {
        "header": {"key": "grpc-status", "value": str(OUT_OF_RANGE)},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return {"filter": status_is("EQ", 413), "headers_to_add": [status]}


def status_is(comparison: str, status: int) -> Config:
    """Match the HTTP status."""
    value = {"default_value": status, "runtime_key": f"ordermesh.local_reply.{comparison.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
