"""Where Envoy sends requests: the services behind it, their health and their limits."""

from __future__ import annotations

from collections.abc import Sequence

from frontdoor import contracts, limits
from frontdoor.config import Config, millis, percent, typed
from frontdoor.values import LOOPBACK, Address, EnvoyValues

ORDERS, ANALYTICS, GATEWAY, PAGES, ADMIN = "orders", "analytics", "gateway", "gateway-http", "admin"
LANE, LANE_FOR_REST = "orders-lane", "orders-lane-rest"
COLLECTOR = "collector"
CONNECT_TIMEOUT = "1s"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(values: EnvoyValues) -> list[Config]:
    """Return all clusters."""
    return [
        orders_cluster(ORDERS, values.orders, values),
        *lanes(values),
        grpc_cluster(ANALYTICS, values.analytics, contracts.ANALYTICS, values.health_interval_ms),
        grpc_cluster(GATEWAY, values.gateway, contracts.PIPELINE, values.health_interval_ms),
        cluster(PAGES, values.gateway_http),
        cluster(ADMIN, [values.admin]),
        # The tracer wants somewhere to send spans. Nothing is there: only the ids are wanted, and the logs carry them.
        cluster(COLLECTOR, []),
    ]


def lanes(values: EnvoyValues) -> list[Config]:
    """Return the clusters of the fast lane, if there is one.

    Its engine ends a connection on which many calls are cancelled at once, so a gRPC client has connections of its own
    there and harms nobody else. REST clients, whose calls end one by one with a connection each, share theirs: apart,
    they would cost a third more.
    """
    if not values.lane:
        return []
    apart = {"connection_pool_per_downstream_connection": True}
    return [
        {**orders_cluster(LANE, values.lane, values), **apart},
        orders_cluster(LANE_FOR_REST, values.lane, values),
    ]


def orders_cluster(name: str, addresses: Sequence[Address], values: EnvoyValues) -> Config:
    """Return a cluster of the orders processes."""
    return grpc_cluster(name, addresses, contracts.ORDERS, values.health_interval_ms, values.orders_active)


def cluster(name: str, addresses: Sequence[Address], active: int = 0) -> Config:
    """Return a cluster that is spoken to in HTTP/1.1. Without outlier ejection: it would empty a cluster of two.

    Where not all endpoints are to be active, the others get calls only while an active one is not well.
    """
    ranks = [addresses[:active], addresses[active:]] if 0 < active < len(addresses) else [addresses]
    return {
        "name": name,
        "connect_timeout": CONNECT_TIMEOUT,
        **discovery(addresses),
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": limits.circuit_breakers(),
        "per_connection_buffer_limit_bytes": limits.CONNECTION_BUFFER_BYTES,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"priority": priority, "lb_endpoints": [endpoint(address) for address in rank]}
                for priority, rank in enumerate(ranks)
            ],
        },
    }


def discovery(addresses: Sequence[Address]) -> Config:
    """Return how the endpoints are found: they stand in the configuration, or DNS names every one of them."""
    if all(address.is_socket or address.host == LOOPBACK for address in addresses):
        return {"type": "STATIC"}
    return {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED", "dns_refresh_rate": "2s"}


def endpoint(address: Address) -> Config:
    """Return one endpoint."""
    return {"endpoint": {"address": socket_address(address)}}


def socket_address(address: Address) -> Config:
    """Return an address as Envoy writes it."""
    if address.is_socket:
        return {"pipe": {"path": address.host}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def grpc_cluster(
    name: str, addresses: Sequence[Address], service: str, health_interval_ms: int, active: int = 0
) -> Config:
    """Return a cluster of gRPC servers, each asked for its health."""
    http2 = {"explicit_http_config": {"http2_protocol_options": {"initial_stream_window_size": 1024 * 1024}}}
    return {
        **cluster(name, addresses, active),
        "typed_extension_protocol_options": {HTTP_OPTIONS: typed(HTTP_OPTIONS, **http2)},
        "health_checks": [health_check(service, health_interval_ms)],
        "ignore_health_on_host_removal": True,
        # With every endpoint unhealthy they are still tried: a service without its database says so better than Envoy.
        "common_lb_config": {"healthy_panic_threshold": percent(1), "ignore_new_hosts_until_first_hc": True},
    }


def health_check(service: str, interval_ms: int) -> Config:
    """Return the health check: two answers of NOT_SERVING take an endpoint out, one of SERVING brings it back."""
    interval = millis(interval_ms)
    return {
        "timeout": "2s",
        "interval": interval,
        "no_traffic_interval": interval,
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service},
    }
