"""The access log: one line of JSON per request, and for one in a hundred of those that a limit refused."""

from __future__ import annotations

from frontdoor import replies
from frontdoor.config import Config, extension
from frontdoor.policies import limits

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


TOO_MANY_REQUESTS = 429
NOT_REFUSED_OVER_GRPC: Config = {"grpc_status_filter": {"statuses": ["RESOURCE_EXHAUSTED"], "exclude": True}}
# In a flood a line costs as much as half of a refusal.
SAMPLED: Config = {
    "runtime_filter": {
        "runtime_key": "ordermesh.logged_refusals",
        "percent_sampled": {"numerator": limits.LOGGED_REFUSALS_PERCENT},
        "use_independent_randomness": True,
    }
}


def access_log(path: str) -> list[Config]:
    """Return the access logs of the front listener, in one file; lines of gRPC calls also have `grpc_status`."""
    return [
        log_file(path, replies.asked_over_grpc(), NOT_REFUSED_OVER_GRPC, FIELDS | GRPC_FIELDS),
        log_file(path, replies.asked_over_rest(), replies.status_is("NE", TOO_MANY_REQUESTS), FIELDS),
    ]


def log_file(path: str, asked: Config, not_refused: Config, fields: dict[str, str]) -> Config:
    """Return an access log for requests of a kind: a sample of those that a limit refused, and all others."""
    log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": fields, "omit_empty_values": True},
    )
    logged = {"or_filter": {"filters": [not_refused, SAMPLED]}}
    return {**log, "filter": {"and_filter": {"filters": [asked, logged]}}}
