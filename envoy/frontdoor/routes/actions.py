"""What a route does with a request: where it goes, how long that may take, what is tried again, why it is refused."""

from __future__ import annotations

from frontdoor import clusters, limits
from frontdoor.config import Config, seconds, typed
from frontdoor.filters.http_filters import HEADERS, REFUSE, TRANSCODER

# Envoy cannot see whether a body is idempotent, so a write is tried again only when it certainly reached nobody.
SAFE_RETRIES = "connect-failure,refused-stream"
# A read may also be repeated when its server broke off; not when it answered UNAVAILABLE: then its database is down.
READ_RETRIES = f"{SAFE_RETRIES},reset"
OFF = typed("envoy.config.route.v3.FilterConfig", disabled=True)
# Turns on a filter that is off elsewhere.
ON = typed("envoy.config.route.v3.FilterConfig", config={})


def route(
    match: Config,
    cluster: str,
    timeout_seconds: float = limits.ROUTE_SECONDS,
    *,
    retry_on: str = SAFE_RETRIES,
    filters: Config | None = None,
) -> Config:
    """Return a route to a cluster. A client may ask for less time with `grpc-timeout`, not for more."""
    longest = seconds(timeout_seconds)
    action = {
        "cluster": cluster,
        # Where this stands, Envoy ignores a route's `timeout`; to gRPC it is DEADLINE_EXCEEDED.
        "max_stream_duration": {"max_stream_duration": longest, "grpc_timeout_header_max": longest},
        "idle_timeout": seconds(timeout_seconds + limits.STREAM_IDLE_SECONDS),
        "retry_policy": retry_policy(retry_on),
    }
    return {"match": match, "route": action, **per_filter(filters)}


def stream_route(match: Config, *, filters: Config | None = None) -> Config:
    """Return a route for streams that last until the client goes away, its deadline passes or nothing moves."""
    action = {
        "cluster": clusters.GATEWAY,
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        "idle_timeout": seconds(limits.WATCH_IDLE_SECONDS),
        "retry_policy": retry_policy(SAFE_RETRIES),
    }
    return {"match": match, "route": action, **per_filter(filters)}


def rest_route(match: Config, filters: Config) -> Config:
    """Return a route that REST requests pass before they are transcoded and routed again.

    It only carries settings of filters, and names a cluster because CORS does nothing on a route without one.
    """
    return {
        "match": match,
        "route": {"cluster": clusters.PAGES},
        **per_filter({HEADERS: grpc_removed(), **filters}),
    }


def refusal(match: Config, status: int, text: str = "", *, headers: dict[str, str] | None = None) -> Config:
    """Return a route that refuses with a status, a text for people and headers; CORS holds for it as elsewhere."""
    return {
        "match": match,
        "route": {"cluster": clusters.PAGES},
        # Not transcoded, so that it cannot reach a method.
        **per_filter({REFUSE: refuse(status, text), TRANSCODER: OFF, HEADERS: reply_headers(headers or {})}),
    }


def refuse(status: int, text: str, *, only_with_body: bool = False) -> Config:
    """Return what turns on the filter that refuses, everything or every request with a body."""
    told = {"status": str(status), "text": text, "only_with_body": only_with_body}
    context = typed("envoy.extensions.filters.http.lua.v3.LuaPerRoute", filter_context=told)
    return typed("envoy.config.route.v3.FilterConfig", config=context)


def retry_policy(retry_on: str) -> Config:
    """Return how often and where a request is tried again; the cluster's retry budget bounds the sum."""
    return {
        "retry_on": retry_on,
        "num_retries": 2,
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": typed(
                "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", update_frequency=1
            ),
        },
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
            }
        ],
        # LEAST_REQUEST prefers a dead process, which has nothing in flight: it takes some tries to draw another.
        "host_selection_retry_max_attempts": 20,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }


def per_filter(filters: Config | None) -> Config:
    """Return the settings of filters on a route, if there are any."""
    return {"typed_per_filter_config": filters} if filters else {}


def body_limit(size_bytes: int) -> Config:
    """Return the setting of the largest body on a route."""
    return typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": size_bytes})


def grpc_removed() -> Config:
    """Return the removal of gRPC's headers from a REST reply, where they say nothing."""
    return mutation([{"remove": name} for name in ("grpc-status", "grpc-message", "grpc-accept-encoding")])


def reply_headers(headers: dict[str, str]) -> Config:
    """Return the setting of headers of the reply."""
    named = ({"key": name, "value": value} for name, value in headers.items())
    return mutation([{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}} for header in named])


def mutation(of_replies: list[Config]) -> Config:
    """Return what a route does with the headers of replies."""
    return typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        mutations={"response_mutations": of_replies},
    )
