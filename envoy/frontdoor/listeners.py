"""The two listeners: the front listener for clients, and the statistics for Prometheus."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.access_log import access_log
from frontdoor.config import Config, extension, header_is, seconds, typed
from frontdoor.filters import authentication, tracing
from frontdoor.filters.http_filters import http_filters, router
from frontdoor.policies import limits
from frontdoor.policies.tls import Tls, server_socket
from frontdoor.replies import ORIGINAL_PATH, local_replies
from frontdoor.request_statistics import request_statistics
from frontdoor.routes import route_table
from frontdoor.values import Address, EnvoyValues
from runtime.addresses import LOCAL_HOSTS

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
STATS_PATH = "/stats/prometheus"
OTHER_HOST = {
    "match": {"prefix": "/"},
    "direct_response": {"status": 421, "body": {"inline_string": "no such host: use localhost or 127.0.0.1\n"}},
}


def front(values: EnvoyValues) -> Config:
    """Return the front listener, for REST, gRPC and gRPC-Web."""
    plain = listener("front", values.front, connection_manager(values))
    return plain if values.tls is None else over_tls(plain, values.tls)


def over_tls(plain: Config, tls: Tls) -> Config:
    """Return a listener that speaks TLS, and tells those who do not that it does."""
    (chain,) = plain["filter_chains"]
    inspector = extension(
        "envoy.filters.listener.tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    )
    return {
        **plain,
        "listener_filters": [inspector],
        "listener_filters_timeout": seconds(limits.REQUEST_HEADERS_SECONDS),
        "filter_chains": [
            {
                "filter_chain_match": {"transport_protocol": "tls"},
                **chain,
                "transport_socket": server_socket(tls),
                "transport_socket_connect_timeout": seconds(limits.REQUEST_HEADERS_SECONDS),
            },
            {"filter_chain_match": {"transport_protocol": "raw_buffer"}, **http_chain(https_only())},
        ],
    }


def https_only() -> Config:
    """Return the connection manager that answers every request without TLS with 400."""
    answer = {"status": 400, "body": {"inline_string": "this port speaks HTTPS only: use https://\n"}}
    return typed(
        MANAGER,
        stat_prefix="front_without_tls",
        **limits.connection_options(),
        route_config={
            "name": "https-only",
            "virtual_hosts": [
                {
                    "name": "https-only",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": answer}],
                }
            ],
        },
        http_filters=[router()],
    )


def http_chain(manager: Config) -> Config:
    """Return a filter chain with an HTTP connection manager."""
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def listener(name: str, address: Address, manager: Config) -> Config:
    """Return a listener.

    It shares its port with sockets of the same account, so that a supervisor can hold the port while Envoy is down. To
    find another server on the port is left to that supervisor.
    """
    return {
        "name": name,
        "address": clusters.socket_address(address),
        "enable_reuse_port": True,
        "per_connection_buffer_limit_bytes": limits.CONNECTION_BUFFER_BYTES,
        "max_connections_to_accept_per_socket_event": limits.CONNECTIONS_IN_A_ROW,
        "filter_chains": [http_chain(manager)],
    }


def connection_manager(values: EnvoyValues) -> Config:
    """Return the HTTP connection manager of the front listener."""
    return typed(
        MANAGER,
        stat_prefix="front",
        codec_type="AUTO",
        server_name="ordermesh",
        **limits.connection_options(values.connection_seconds),
        **client_identity(),
        **tracing.request_ids(),
        tracing=tracing.tracing(values.tracing),
        # "." and ".." stay ordinary segments, ids that do not exist: if they were removed, /v1/products/. would be the
        # list of products. Clients resolve them in links before they send a request (RFC 3986, 5.2.4).
        normalize_path=False,
        merge_slashes=True,
        early_header_mutation_extensions=[headers_on_arrival()],
        access_log=[
            *access_log(values.access_log, subjects=values.logs_subjects),
            *request_statistics(),
        ],
        local_reply_config=local_replies(),
        route_config=route_table.route_configuration(values.hosts, lane=bool(values.lane), identity=values.identity),
        http_filters=http_filters(values),
    )


def client_identity() -> Config:
    """Return how a client is identified: by the address of its connection. Envoy's own headers are never trusted."""
    no_address = {"address_prefix": "255.255.255.255", "prefix_len": 32}
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": 0,
        # Without a range, Envoy treats private addresses and loopback as internal, and those may enable retries.
        "internal_address_config": {"cidr_ranges": [no_address]},
    }


def headers_on_arrival() -> Config:
    """Return the removal of headers that a client must not set: an identity, and the path by which REST is detected."""
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[{"remove": ORIGINAL_PATH}, *authentication.forged_removed(), *tracing.malformed_ignored()],
    )


def stats(values: EnvoyValues) -> Config:
    """Return the listener that exposes the statistics and no other path of the admin interface.

    On loopback it serves the names of this machine only: another one may be a page's that was rebound to us.
    """
    hosts = LOCAL_HOSTS if values.stats.is_on_loopback else ("*",)
    read = {"path": STATS_PATH, "headers": [header_is(":method", safe_regex={"regex": "GET|HEAD"})]}
    shown = {"match": read, "route": {"cluster": clusters.ADMIN, "timeout": "10s"}}
    read_only = {
        "match": {"path": STATS_PATH},
        "direct_response": {"status": 405, "body": {"inline_string": "read-only: use GET or HEAD\n"}},
        "response_headers_to_add": [{"header": {"key": "allow", "value": "GET, HEAD"}}],
    }
    hidden = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 404, "body": {"inline_string": f"not found: only {STATS_PATH} is served\n"}},
    }
    found = [{"name": "stats", "domains": list(hosts), "routes": [shown, read_only, hidden]}]
    if values.stats.is_on_loopback:
        found.append({"name": "other hosts", "domains": ["*"], "routes": [OTHER_HOST]})
    manager = typed(
        MANAGER,
        stat_prefix="stats",
        **limits.connection_options(),
        route_config={
            "name": "stats",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": found,
        },
        http_filters=[router()],
    )
    # Statistics must stay available when clients use all connections.
    return {**listener("stats", values.stats, manager), "ignore_global_conn_limit": True}
