"""Which cluster answers a path, how long it may take, and what may be tried again."""

from __future__ import annotations

from frontdoor import clusters, contracts, limits, transcoder
from frontdoor.config import Config, header_is, seconds, typed
from frontdoor.replies import ORIGINAL_PATH

TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
BUFFER = "envoy.filters.http.buffer"
CORS = "envoy.filters.http.cors"
HEADERS = "envoy.filters.http.header_mutation"
OFF = typed("envoy.config.route.v3.FilterConfig", disabled=True)
WATCH_PATHS = "/v1/(pipeline/status|orders|analytics):watch"
LINES_PATHS = "/v1/(orders|analytics):watchLines"
BATCH_PATH = "/v1/orders:batchCreate"
PAGE_PATHS = ("/", "/openapi.json", "/descriptor.binpb")
PAGE_FOLDERS = ("/docs", "/static")
# Envoy cannot see whether a body is idempotent, so a write is tried again only when it certainly reached nobody.
SAFE_RETRIES = "connect-failure,refused-stream"
# A read may also be repeated when its server broke off; not when it answered UNAVAILABLE: then its database is down.
READ_RETRIES = f"{SAFE_RETRIES},reset"


def route_configuration(*, lane: bool) -> Config:
    """Return the routes of the front listener. A REST path becomes a gRPC path, which is routed again."""
    lanes = lane_routes() if lane else []
    return {
        "name": "front",
        "virtual_hosts": [
            {
                "name": "front",
                "domains": ["*"],
                "routes": [*lanes, *grpc_routes(), unknown_method(), *page_routes(), *rest_routes()],
                "typed_per_filter_config": {CORS: cors_policy()},
            }
        ],
    }


def grpc_routes() -> list[Config]:
    """Return the routes of gRPC methods, the most specific first; what is internal has none."""
    return [
        route(method(contracts.ORDERS, "BatchCreateOrders"), clusters.ORDERS, filters={BUFFER: batch_buffer()}),
        route(methods(contracts.ORDERS), clusters.ORDERS),
        route(methods(contracts.INVENTORY), clusters.ORDERS),
        route(methods(contracts.ANALYTICS), clusters.ANALYTICS, retry_on=READ_RETRIES),
        route(method(contracts.PIPELINE, "Reconcile"), clusters.GATEWAY, limits.RECONCILE_SECONDS),
        stream_route(method(contracts.PIPELINE, "WatchStatus")),
        route(methods(contracts.PIPELINE), clusters.GATEWAY),
        stream_route(methods(contracts.WATCH)),
        stream_route({"path": "/grpc.health.v1.Health/Watch"}),
        route({"prefix": "/grpc.health.v1.Health/"}, clusters.GATEWAY),
        # The buffer waits for the end of a request, which a bidirectional method sends last.
        stream_route({"prefix": "/grpc.reflection."}, filters={BUFFER: OFF}),
    ]


def lane_routes() -> list[Config]:
    """Return the routes of hot methods to the fast lane; compressed calls go to the engine that bounds them."""
    plain = header_is("grpc-encoding", safe_regex={"regex": "(identity)?"})
    plain["treat_missing_header_as_empty"] = True
    transcoded = {"name": ORIGINAL_PATH, "present_match": True}
    return [
        route(
            {**method(contracts.ORDERS, name), "headers": headers},
            cluster,
            filters={BUFFER: batch_buffer()} if name == "BatchCreateOrders" else None,
        )
        for name in contracts.LANE_METHODS
        for cluster, headers in ((clusters.LANE_FOR_REST, [transcoded, plain]), (clusters.LANE, [plain]))
    ]


def rest_routes() -> list[Config]:
    """Return the routes that REST requests pass before they are transcoded and routed again."""
    return [
        rest_route({"safe_regex": {"regex": WATCH_PATHS}}, {TRANSCODER: transcoder.configuration(stream="events")}),
        rest_route({"safe_regex": {"regex": LINES_PATHS}}, {TRANSCODER: transcoder.configuration(stream="lines")}),
        rest_route({"path": BATCH_PATH}, {BUFFER: batch_buffer()}),
        rest_route({"prefix": "/"}, {}),
    ]


def rest_route(match: Config, filters: Config) -> Config:
    """Return a route that only carries settings of filters: the transcoder answers 404 to what is no method.

    It names a cluster because CORS does nothing on a route without one.
    """
    return {
        "match": match,
        "route": {"cluster": clusters.PAGES},
        **per_filter({HEADERS: grpc_removed(), **filters}),
    }


def page_routes() -> list[Config]:
    """Return the routes of pages, which are not transcoded."""
    reads = [header_is(":method", safe_regex={"regex": "GET|HEAD"})]
    matches: list[Config] = [{"path": path} for path in PAGE_PATHS]
    matches += [{"path_separated_prefix": path} for path in PAGE_FOLDERS]
    return [
        route({**match, "headers": reads}, clusters.PAGES, retry_on=READ_RETRIES, filters={TRANSCODER: OFF})
        for match in matches
    ]


def method(service: str, name: str) -> Config:
    """Match one method of a service."""
    return {"path": f"/{service}/{name}"}


def methods(service: str) -> Config:
    """Match every method of a service."""
    return {"prefix": f"/{service}/"}


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


def unknown_method() -> Config:
    """Return the reply to gRPC calls of methods that are not public: UNIMPLEMENTED."""
    grpc = [header_is("content-type", prefix="application/grpc")]
    reply = {
        "status": 404,
        "body": {"inline_string": "no such method: ask the reflection service for those that exist"},
    }
    return {"match": {"prefix": "/", "headers": grpc}, "direct_response": reply}


def per_filter(filters: Config | None) -> Config:
    """Return the settings of filters on a route, if there are any."""
    return {"typed_per_filter_config": filters} if filters else {}


def batch_buffer() -> Config:
    """Return the larger limit of bodies that hold many orders."""
    buffer = {"max_request_bytes": limits.BATCH_BODY_BYTES}
    return typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", buffer=buffer)


def grpc_removed() -> Config:
    """Return the removal of gRPC's headers from a REST reply, where they say nothing."""
    removals = [{"remove": name} for name in ("grpc-status", "grpc-message", "grpc-accept-encoding")]
    return typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        mutations={"response_mutations": removals},
    )


def cors_policy() -> Config:
    """Return which pages in a browser may call: those that came from this machine."""
    asked = "content-type,x-grpc-web,x-user-agent,grpc-timeout,x-request-id,traceparent,tracestate"
    told = (
        "grpc-status,grpc-message,grpc-status-details-bin,x-request-id,traceparent,link,retry-after,idempotent-replayed"
    )
    loopback = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
    return typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"safe_regex": {"regex": loopback}}],
        allow_methods="GET,POST",
        allow_headers=asked,
        expose_headers=told,
        max_age="600",
    )
