"""The access log: one line of JSON per request, and for one in a hundred of those that a limit refused."""

from __future__ import annotations

from frontdoor import replies
from frontdoor.config import Config, extension
from frontdoor.policies import limits
from frontdoor.policies.identity import CLIENT_HEADER
from runtime.telemetry.log_fields import ECS_VERSION

ROLES = ("customer", "operator", "analyst")

# Names and meanings: runtime/telemetry/log_fields.py. What a client chooses has a limit of characters.
FIELDS = {
    "@timestamp": "%START_TIME%",
    "log.level": "info",
    "message": "request",
    "service.name": "envoy",
    "ecs.version": ECS_VERSION,
    "trace.id": "%TRACE_ID%",
    "span.id": "%SPAN_ID%",
    "http.request.id": "%REQ(X-REQUEST-ID):200%",
    "http.request.method": "%REQ(:METHOD)%",
    "http.request.body.bytes": "%BYTES_RECEIVED%",
    "http.response.status_code": "%RESPONSE_CODE%",
    "http.response.body.bytes": "%BYTES_SENT%",
    "http.version": "%PROTOCOL%",
    # Without the query, where a client may have put a key by mistake.
    "url.path": "%PATH(NQ:ORIG_OR_PATH):1000%",
    "user_agent.original": "%REQ(USER-AGENT):200%",
    # An address is personal: its network tells where a flood comes from.
    "client.address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%",
    "envoy.rpc": "%PATH(NQ:PATH):1000%",
    "envoy.response_code_details": "%RESPONSE_CODE_DETAILS%",
    "envoy.response_flags": "%RESPONSE_FLAGS%",
    "envoy.duration_ms": "%DURATION%",
    "envoy.upstream_duration_ms": "%RESPONSE_DURATION%",
    "envoy.upstream_cluster": "%UPSTREAM_CLUSTER%",
    "envoy.upstream_host": "%UPSTREAM_HOST%",
    "envoy.upstream_attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "envoy.traceparent": "%REQ(TRACEPARENT)%",
}


# Not for REST: Envoy would derive it from the HTTP status, which is logged already.
GRPC_FIELDS = {"envoy.grpc_status": "%GRPC_STATUS(CAMEL_STRING)%"}


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


def access_log(path: str, *, subjects: bool) -> list[Config]:
    """Return the access logs of the front listener, in one file; lines of gRPC calls also have their gRPC status.

    Without `subjects` a line names the caller's role only: Envoy cannot hash the id of a customer.
    """
    fields = FIELDS | {"envoy.caller": f"%REQ({CLIENT_HEADER})%" if subjects else role_of_caller()}
    return [
        log_file(path, replies.asked_over_grpc(), NOT_REFUSED_OVER_GRPC, fields | GRPC_FIELDS),
        log_file(path, replies.asked_over_rest(), replies.status_is("NE", TOO_MANY_REQUESTS), fields),
    ]


def role_of_caller() -> str:
    """Return the expression for the role of the caller, empty without one."""
    header = f"request.headers['{CLIENT_HEADER}']"
    roles = " : ".join(f"{header}.startsWith('{role}:') ? '{role}'" for role in ROLES)
    return f"%CEL('{CLIENT_HEADER}' in request.headers ? ({roles} : '') : '')%"


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
