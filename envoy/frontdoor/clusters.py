"""The upstream clusters: the services behind the front proxy, their health checks and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from frontdoor import public_services
from frontdoor.config import Config, extension, millis, percent, seconds, typed
from frontdoor.policies import limits
from frontdoor.policies.identity import SYSTEM_AUTHORITIES, Tokens
from frontdoor.policies.tls import client_socket
from frontdoor.values import LOOPBACK, Address, EnvoyValues

ORDERS, ANALYTICS, GATEWAY, PAGES, ADMIN = "orders", "analytics", "gateway", "gateway-http", "admin"
LANE, LANE_FOR_REST = "orders-lane", "orders-lane-rest"
COLLECTOR, JWKS = "collector", "jwks"
CONNECT_TIMEOUT = "1s"
HTTP1, HTTP2 = "http/1.1", "h2"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(values: EnvoyValues) -> list[Config]:
    """Return all clusters."""
    return [
        orders_cluster(ORDERS, values.orders, values),
        *lanes(values),
        grpc_cluster(ANALYTICS, values.analytics, public_services.ANALYTICS, values),
        grpc_cluster(GATEWAY, values.gateway, public_services.PIPELINE, values),
        pages_cluster(values),
        # Its own interface, on loopback, which has no TLS.
        http1_cluster(ADMIN, [values.admin], replace(values, services_tls=None)),
        collector(values),
        *issuer_keys(values),
    ]


def lanes(values: EnvoyValues) -> list[Config]:
    """Return the clusters of the fast lane, if there is one.

    Its engine closes a connection on which many calls are cancelled at once, so each gRPC client gets its own upstream
    connections and cannot affect others. Envoy does not close them with the client, so they have an idle timeout. REST
    clients, whose calls are cancelled one by one, share connections: separate ones cost a third more CPU. With few file
    descriptors all clients share connections, so that short-lived clients cannot exhaust them.
    """
    if not values.lane:
        return []
    shared = [orders_cluster(name, values.lane, values) for name in (LANE, LANE_FOR_REST)]
    if values.descriptors < limits.DESCRIPTORS_FOR_OWN_CONNECTIONS:
        return shared
    return [
        {
            **shared[0],
            "connection_pool_per_downstream_connection": True,
            "circuit_breakers": limits.circuit_breakers(values.descriptors // 4),
            "typed_extension_protocol_options": http2_options(limits.OWN_CONNECTION_IDLE_SECONDS),
        },
        shared[1],
    ]


def orders_cluster(name: str, addresses: Sequence[Address], values: EnvoyValues) -> Config:
    """Return a cluster of the orders processes."""
    return grpc_cluster(name, addresses, public_services.ORDERS, values, values.orders_active)


def cluster(
    name: str, addresses: Sequence[Address], values: EnvoyValues, active: int = 0, protocol: str = HTTP2
) -> Config:
    """Return a cluster, without outlier ejection, which would leave a cluster of two empty.

    The first `active` endpoints get the calls; the others get calls only while an active one is unhealthy. 0: all.
    """
    ranks = [addresses[:active], addresses[active:]] if 0 < active < len(addresses) else [addresses]
    return {
        "name": name,
        "connect_timeout": CONNECT_TIMEOUT,
        **discovery(addresses),
        **transport(addresses, values, protocol),
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": limits.circuit_breakers(limits.upstream_connections(values.descriptors)),
        "per_connection_buffer_limit_bytes": limits.CONNECTION_BUFFER_BYTES,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"priority": priority, "lb_endpoints": [endpoint(address) for address in rank]}
                for priority, rank in enumerate(ranks)
            ],
        },
    }


def http1_cluster(name: str, addresses: Sequence[Address], values: EnvoyValues) -> Config:
    """Return a cluster of HTTP/1.1 servers, with one connection for each request in flight."""
    options = protocol_options(limits.UPSTREAM_IDLE_SECONDS, http_protocol_options={})
    return {**cluster(name, addresses, values, protocol=HTTP1), "typed_extension_protocol_options": options}


def issuer_keys(values: EnvoyValues) -> list[Config]:
    """Return the cluster of the address of an issuer's keys, whose certificate must be for that host."""
    if not isinstance(values.identity, Tokens) or values.identity.address is None:
        return []
    host, port = values.identity.address
    secured = {"transport_socket": verified_socket(host, values.identity.authorities)}
    return [{**http1_cluster(JWKS, [Address(host, port)], values), **secured}]


def collector(values: EnvoyValues) -> Config:
    """Return the cluster of the collector of spans, which the tracer requires; without an endpoint it is empty."""
    endpoint = values.tracing.endpoint
    if endpoint is None:
        return http1_cluster(COLLECTOR, [], values)
    address = Address(endpoint.socket) if endpoint.socket else Address(endpoint.host.strip("[]"), endpoint.port)
    options = {"typed_extension_protocol_options": http2_options(limits.UPSTREAM_IDLE_SECONDS)}
    plain = {**cluster(COLLECTOR, [address], replace(values, services_tls=None)), **options}
    if not endpoint.secure:
        return plain
    authorities = str(endpoint.certificate) if endpoint.certificate else SYSTEM_AUTHORITIES
    return {**plain, "transport_socket": verified_socket(address.host, authorities, [HTTP2])}


def verified_socket(host: str, authorities: str, protocols: Sequence[str] = ()) -> Config:
    """Return the transport socket towards a server that is not ours, whose certificate must be for its host."""
    names = [{"san_type": kind, "matcher": {"exact": host}} for kind in ("DNS", "IP_ADDRESS")]
    common: Config = {
        "validation_context": {"trusted_ca": {"filename": authorities}, "match_typed_subject_alt_names": names}
    }
    if protocols:
        common["alpn_protocols"] = list(protocols)
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=host,
        common_tls_context=common,
    )


def pages_cluster(values: EnvoyValues) -> Config:
    """Return the cluster of pages; what clients do not read of them is in the memory of the gateway."""
    breakers = limits.circuit_breakers(min(limits.PAGE_CONNECTIONS, limits.upstream_connections(values.descriptors)))
    return {**http1_cluster(PAGES, values.gateway_http, values), "circuit_breakers": breakers}


def http2_options(idle_seconds: float) -> Config:
    """Return the protocol options of gRPC servers, with the idle timeout of connections."""
    return protocol_options(
        idle_seconds, http2_protocol_options={"initial_stream_window_size": limits.UPSTREAM_WINDOW_BYTES}
    )


def protocol_options(idle_seconds: float, **explicit: Config) -> Config:
    """Return the protocol options of a cluster, with the idle timeout of connections."""
    common = {"idle_timeout": seconds(idle_seconds)}
    options = typed(HTTP_OPTIONS, common_http_protocol_options=common, explicit_http_config=explicit)
    return {HTTP_OPTIONS: options}


def discovery(addresses: Sequence[Address]) -> Config:
    """Return the service discovery: static addresses, or DNS with one address for each endpoint."""
    if all(address.is_socket or address.host == LOOPBACK for address in addresses):
        return {"type": "STATIC"}
    return {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED", "dns_refresh_rate": "2s"}


def transport(addresses: Sequence[Address], values: EnvoyValues, protocol: str) -> Config:
    """Return the TLS towards services on host:port, which have certificates for their host names, if it is on."""
    hosts = {address.host for address in addresses if not address.is_socket}
    if values.services_tls is None or not hosts:
        return {}
    (host,) = hosts
    return {"transport_socket": client_socket(values.services_tls, host, protocol)}


def endpoint(address: Address) -> Config:
    """Return one endpoint."""
    return {"endpoint": {"address": socket_address(address)}}


def socket_address(address: Address) -> Config:
    """Return an address in the form of Envoy's configuration."""
    if address.is_socket:
        return {"pipe": {"path": address.host}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def grpc_cluster(name: str, addresses: Sequence[Address], service: str, values: EnvoyValues, active: int = 0) -> Config:
    """Return a cluster of gRPC servers with active health checks."""
    return {
        **cluster(name, addresses, values, active),
        "typed_extension_protocol_options": http2_options(limits.UPSTREAM_IDLE_SECONDS),
        "health_checks": [health_check(service, values.health_interval_ms)],
        "ignore_health_on_host_removal": True,
        # When all endpoints are unhealthy, requests are still sent: a service's error is more specific than Envoy's.
        "common_lb_config": {"healthy_panic_threshold": percent(1), "ignore_new_hosts_until_first_hc": True},
    }


def health_check(service: str, interval_ms: int) -> Config:
    """Return the health check: an endpoint is unhealthy after two failures, healthy after one success."""
    interval = millis(interval_ms)
    return {
        "timeout": "2s",
        "interval": interval,
        # A server that no longer accepts connections is unhealthy, even if an open connection still works.
        "reuse_connection": False,
        "no_traffic_interval": interval,
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service},
    }
