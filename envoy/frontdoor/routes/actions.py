"""The actions of routes: the cluster, timeouts, retries, settings of filters, and refusals."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, seconds, typed
from frontdoor.filters import delay_admission
from frontdoor.filters.http_filters import HEADERS, REFUSE, TRANSCODER
from frontdoor.policies import limits

# Envoy cannot tell whether a request is idempotent, so a write is retried only when no server has received it.
SAFE_RETRIES = "connect-failure,refused-stream"
# A read is also retried when its server reset the stream; not on UNAVAILABLE, which means that its database is down.
READ_RETRIES = f"{SAFE_RETRIES},reset"
OFF = typed("envoy.config.route.v3.FilterConfig", disabled=True)
# Enables a filter that is disabled by default.
ON = typed("envoy.config.route.v3.FilterConfig", config={})
ADMITTED_BY_DELAY = {delay_admission.SHARE: ON, delay_admission.ADMISSION: ON}


def route(
    match: Config,
    cluster: str,
    timeout_seconds: float = limits.ROUTE_SECONDS,
    *,
    retry_on: str = SAFE_RETRIES,
    filters: Config | None = None,
) -> Config:
    """Return a route to a cluster. A client can shorten the timeout with `grpc-timeout`, not extend it."""
    longest = seconds(timeout_seconds)
    action = {
        "cluster": cluster,
        # With it, Envoy ignores the `timeout` of the route; gRPC clients get DEADLINE_EXCEEDED.
        "max_stream_duration": {"max_stream_duration": longest, "grpc_timeout_header_max": longest},
        "idle_timeout": seconds(timeout_seconds + limits.STREAM_IDLE_SECONDS),
        "retry_policy": retry_policy(retry_on),
    }
    return {"match": match, "route": action, **per_filter(filters)}


def stream_route(match: Config, *, filters: Config | None = None) -> Config:
    """Return a route for streams that last until the client disconnects, its deadline passes or the stream is idle."""
    action = {
        "cluster": clusters.GATEWAY,
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        "idle_timeout": seconds(limits.WATCH_IDLE_SECONDS),
        "retry_policy": retry_policy(SAFE_RETRIES),
    }
    return {"match": match, "route": action, **per_filter(filters)}


def rest_route(match: Config, filters: Config) -> Config:
    """Return the route that a REST request matches before it is transcoded and routed again.

    It only carries settings of filters; it has a cluster because CORS ignores a route without one.
    """
    return {
        "match": match,
        "route": {"cluster": clusters.PAGES},
        **per_filter({HEADERS: grpc_removed(), **filters}),
    }


def named(route: Config, name: str) -> Config:
    """Return a route whose requests have spans of this name, by the conventions the method and the path's template."""
    return {**route, "decorator": {"operation": name, "propagate": False}}


def of_method(path: str, route: Config) -> Config:
    """Return a route with the name of the method that its requests are for, by its path; see request_statistics."""
    return {"name": path.removeprefix("/"), **route}


def refusal(match: Config, status: int, text: str = "", *, headers: dict[str, str] | None = None) -> Config:
    """Return a route that refuses requests with an HTTP status, a message and headers; CORS applies to it."""
    return {
        "match": match,
        "route": {"cluster": clusters.PAGES},
        # The transcoder is off, so that the request cannot reach a method.
        **per_filter({REFUSE: refuse(status, text), TRANSCODER: OFF, HEADERS: reply_headers(headers or {})}),
    }


def refuse(status: int, text: str, *, only_with_body: bool = False) -> Config:
    """Return the setting that enables the refusing filter, for all requests or those with a body."""
    context = {"status": str(status), "text": text, "only_with_body": only_with_body}
    per_route = typed("envoy.extensions.filters.http.lua.v3.LuaPerRoute", filter_context=context)
    return typed("envoy.config.route.v3.FilterConfig", config=per_route)


def retry_policy(retry_on: str) -> Config:
    """Return the retry policy of a request; the retry budget of the cluster limits all retries."""
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
        # LEAST_REQUEST prefers a dead process, which has no requests in flight: avoiding it takes several attempts.
        "host_selection_retry_max_attempts": 20,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }


def per_filter(filters: Config | None) -> Config:
    """Return the settings of filters on a route, if any."""
    return {"typed_per_filter_config": filters} if filters else {}


def body_limit(size_bytes: int) -> Config:
    """Return the body limit of a route."""
    return typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": size_bytes})


def grpc_removed() -> Config:
    """Return the removal of gRPC headers from a REST reply."""
    return mutation([{"remove": name} for name in ("grpc-status", "grpc-message", "grpc-accept-encoding")])


def reply_headers(headers: dict[str, str]) -> Config:
    """Return the setting of response headers."""
    named = ({"key": name, "value": value} for name, value in headers.items())
    return mutation([{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}} for header in named])


def mutation(of_replies: list[Config]) -> Config:
    """Return the header mutation of responses on a route."""
    return typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        mutations={"response_mutations": of_replies},
    )
