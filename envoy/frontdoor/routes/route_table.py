"""The route table of the front listener: gRPC methods, REST paths (frontdoor.routes.rest) and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from frontdoor import clusters, public_services
from frontdoor.config import Config, header_is, seconds, typed
from frontdoor.filters import browser, large_bodies, rate_limits
from frontdoor.filters.authentication import PAGE_FOLDERS, PAGE_PATHS, SESSION_PATH, open_route
from frontdoor.filters.http_filters import BUFFER, CORS, TRANSCODER
from frontdoor.policies import limits
from frontdoor.policies.identity import Identity
from frontdoor.replies import CROSS_SITE, ORIGINAL_PATH
from frontdoor.routes import rest
from frontdoor.routes.actions import (
    ADMITTED_BY_DELAY,
    OFF,
    ON,
    READ_RETRIES,
    body_limit,
    of_method,
    refusal,
    route,
    stream_route,
)
from runtime.addresses import LOCAL_HOSTS

READS = header_is(":method", safe_regex={"regex": "GET|HEAD"})
# gRPC and gRPC-Web.
GRPC_BODY = header_is("content-type", prefix="application/grpc")
GRPC_ACCEPTED = {"accept": "application/grpc"}
POST = header_is(":method", exact="POST")
BATCH = {BUFFER: body_limit(limits.BATCH_BODY_BYTES), large_bodies.NAME: ON}
# How the methods of a service are routed, and those that differ from the others.
OF_SERVICE: dict[str, Callable[[Config], Config]] = {
    public_services.ORDERS: partial(route, cluster=clusters.ORDERS),
    public_services.INVENTORY: partial(route, cluster=clusters.ORDERS),
    public_services.ANALYTICS: partial(route, cluster=clusters.ANALYTICS, retry_on=READ_RETRIES),
    public_services.PIPELINE: partial(route, cluster=clusters.GATEWAY),
    public_services.WATCH: stream_route,
    public_services.DEAD_LETTERS: partial(route, cluster=clusters.GATEWAY, timeout_seconds=limits.DEAD_LETTER_SECONDS),
    public_services.TIMELINE: partial(route, cluster=clusters.GATEWAY, retry_on=READ_RETRIES),
}
OF_METHOD: dict[str, Callable[[Config], Config]] = {
    public_services.CREATE_ORDER: partial(route, cluster=clusters.ORDERS, filters=ADMITTED_BY_DELAY),
    f"/{public_services.ORDERS}/BatchCreateOrders": partial(route, cluster=clusters.ORDERS, filters=BATCH),
    f"/{public_services.PIPELINE}/Reconcile": partial(
        route, cluster=clusters.GATEWAY, timeout_seconds=limits.RECONCILE_SECONDS
    ),
    f"/{public_services.PIPELINE}/WatchStatus": stream_route,
}
LANE_FILTERS = {"BatchCreateOrders": BATCH, "CreateOrder": ADMITTED_BY_DELAY}


def route_configuration(hosts: Sequence[str], *, lane: bool, identity: Identity = None) -> Config:
    """Return the routes for host names. A REST path is transcoded to a gRPC path, which is routed again."""
    lanes = lane_routes() if lane else []
    open_methods = [open_route(each, identity) for each in open_grpc_routes()]
    methods = [over_grpc(each) for each in (*lanes, *grpc_routes(), *open_methods)]
    return {
        "name": "front",
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {
                "name": "front",
                "domains": list(hosts),
                "routes": [
                    refusal({"prefix": "/", "headers": browser.cross_site_subresource()}, 403, CROSS_SITE),
                    *methods,
                    unknown_method(),
                    *rest.path_routes(),
                    *(open_route(each, identity) for each in page_routes()),
                    *wrong_grpc(),
                    refusal({"prefix": "/"}, 404),
                ],
                "typed_per_filter_config": {CORS: cors_policy()},
            },
            {"name": "other hosts", "domains": ["*"], "routes": other_hosts()},
        ],
    }


def other_hosts() -> list[Config]:
    """Return the refusals of requests for another host, as of a page whose name was rebound to our address."""
    over_grpc = {"match": {"prefix": "/", "headers": [GRPC_BODY]}, "direct_response": {"status": 421}}
    return [over_grpc, refusal({"prefix": "/"}, 421)]


def over_grpc(route: Config) -> Config:
    """Return the route of a method restricted to gRPC: POST with a gRPC content type; spans are named by the method."""
    match = route["match"]
    return {
        **route,
        "match": {**match, "headers": [*match.get("headers", []), GRPC_BODY, POST]},
        "tracing": {"operation": "%PATH(NQ:PATH)%"},
    }


def grpc_routes() -> list[Config]:
    """Return the route of each gRPC method of the public services, named by it; internal services have none."""
    return [
        of_method(path, OF_METHOD.get(path, OF_SERVICE[service])({"path": path}))
        for service, names in public_services.public_methods().items()
        for path in (f"/{service}/{name}" for name in names)
    ]


def open_grpc_routes() -> list[Config]:
    """Return the routes of gRPC methods that need no credentials: health and reflection."""
    return [
        stream_route({"path": "/grpc.health.v1.Health/Watch"}),
        route({"prefix": "/grpc.health.v1.Health/"}, clusters.GATEWAY),
        # The buffer waits for the end of the request, which a bidirectional stream sends last.
        stream_route({"prefix": "/grpc.reflection."}, filters={BUFFER: OFF}),
    ]


def lane_routes() -> list[Config]:
    """Return the routes of hot methods to the fast lane, except compressed calls, which only grpcio limits in size."""
    plain = header_is("grpc-encoding", safe_regex={"regex": "(identity)?"})
    plain["treat_missing_header_as_empty"] = True
    transcoded = {"name": ORIGINAL_PATH, "present_match": True}
    return [
        of_method(path, route({"path": path, "headers": headers}, cluster, filters=LANE_FILTERS.get(name)))
        for name in public_services.LANE_METHODS
        for path in (f"/{public_services.ORDERS}/{name}",)
        for cluster, headers in ((clusters.LANE_FOR_REST, [transcoded, plain]), (clusters.LANE, [plain]))
    ]


def page_routes() -> list[Config]:
    """Return the routes of pages, which are read-only and not transcoded."""
    filters = {TRANSCODER: OFF, **rate_limits.of_pages()}
    matches: list[Config] = [{"path": path} for path in PAGE_PATHS]
    matches += [{"path_separated_prefix": path} for path in PAGE_FOLDERS]
    reads = [page_route({**match, "headers": [READS]}, filters) for match in matches]
    refusals = [refusal(match, 405, headers={"allow": "GET, HEAD"}) for match in matches]
    return [*session_routes(), *reads, *refusals]


def session_routes() -> list[Config]:
    """Return the routes that begin and end a session of the dashboard."""
    match: Config = {"path": SESSION_PATH}
    writes = {**match, "headers": [header_is(":method", safe_regex={"regex": "POST|DELETE"})]}
    return [
        # Open to everybody, and each asks the process that runs the stack.
        route(writes, clusters.PAGES, filters={TRANSCODER: OFF, **rate_limits.of_pages()}),
        refusal(match, 405, headers={"allow": "POST, DELETE"}),
    ]


def page_route(match: Config, filters: Config) -> Config:
    """Return the route of a page; a reply that the client does not read ends soon."""
    made = route(match, clusters.PAGES, retry_on=READ_RETRIES, filters=filters)
    return {**made, "route": {**made["route"], "idle_timeout": seconds(limits.PAGE_IDLE_SECONDS)}}


def wrong_grpc() -> list[Config]:
    """Return the refusals of requests to the path of a gRPC method that are not gRPC."""
    names = [rf"{service}/({'|'.join(names)})" for service, names in public_services.public_methods().items()]
    paths = [{"safe_regex": {"regex": "/" + name.replace(".", r"\.")}} for name in names]
    return [
        *(refusal({**path, "headers": [POST]}, 415, rest.GRPC_ONLY, headers=GRPC_ACCEPTED) for path in paths),
        *(refusal(path, 405, headers={"allow": "POST"}) for path in paths),
    ]


def unknown_method() -> Config:
    """Return the route for gRPC calls of methods that are not public: UNIMPLEMENTED."""
    return {"match": {"prefix": "/", "headers": [GRPC_BODY]}, "direct_response": {"status": 404}}


def cors_policy() -> Config:
    """Return the CORS policy: only origins on the loopback interface are allowed."""
    allowed = (
        "content-type,authorization,x-api-key,x-grpc-web,x-user-agent,grpc-timeout,x-request-id,traceparent,tracestate,"
        "baggage,last-event-id"
    )
    exposed = (
        "grpc-status,grpc-message,grpc-status-details-bin,x-request-id,traceparent,link,retry-after,www-authenticate,"
        "idempotent-replayed"
    )
    return typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"safe_regex": {"regex": browser.origins(LOCAL_HOSTS)}}],
        allow_methods="GET,POST",
        allow_headers=allowed,
        expose_headers=exposed,
        max_age="600",
    )
