"""The access log: one line of JSON per request."""

from __future__ import annotations

from frontdoor import replies
from frontdoor.config import Config, extension

FIELDS = {
    "time": "%START_TIME%",
    "trace_id": "%TRACE_ID%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT)%",
    "method": "%REQ(:METHOD)%",
    # Without the query, where a client may have put a key by mistake.
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%PATH(NQ:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "caller": "%REQ(X-ORDERMESH-CLIENT)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "user_agent": "%REQ(USER-AGENT)%",
}


# Not for REST: Envoy would derive it from the HTTP status, which is logged already.
GRPC_FIELDS = {"grpc_status": "%GRPC_STATUS(CAMEL_STRING)%"}


def access_log(path: str) -> list[Config]:
    """Return the access logs of the front listener, in one file; lines of gRPC calls also have `grpc_status`."""
    return [
        log_file(path, replies.asked_over_grpc(), FIELDS | GRPC_FIELDS),
        log_file(path, replies.asked_over_rest(), FIELDS),
    ]


def log_file(path: str, asked: Config, fields: dict[str, str]) -> Config:
    """Return an access log for the requests that match a filter."""
    log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": fields, "omit_empty_values": True},
    )
    return {**log, "filter": asked}
