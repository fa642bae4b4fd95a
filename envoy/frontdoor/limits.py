"""Limits for clients: sizes, counts and times, above regular use and below what harms the platform."""

from __future__ import annotations

from frontdoor.config import Config, seconds

BODY_BYTES = 1024 * 1024
# The limit of the services (runtime.grpc.server.MAX_MESSAGE_BYTES).
BATCH_BODY_BYTES = 8 * 1024 * 1024
RESPONSE_BYTES = 16 * 1024 * 1024
# Below the limit of the services (16 KiB), because Envoy adds headers.
HEADERS_KIB = 12
HEADERS_COUNT = 100
CONNECTIONS = 4_096
# For everything except connections: listeners, logs, health checks.
RESERVED_DESCRIPTORS = 128
CONNECTION_BUFFER_BYTES = 1024 * 1024
STREAMS_PER_CONNECTION = 4_096
# Above the admission limit of the services: they answer RESOURCE_EXHAUSTED with a delay, Envoy UNAVAILABLE.
REQUESTS_IN_FLIGHT = 8_192
UPSTREAM_CONNECTIONS = 1_024
# Separate upstream connections per client need as many again, and for a moment those of clients that disconnected.
DESCRIPTORS_FOR_OWN_CONNECTIONS = 16_384
OWN_CONNECTION_IDLE_SECONDS = 0.5
UPSTREAM_IDLE_SECONDS = 60.0
HEAP_BYTES = 512 * 1024 * 1024
# Clients with their own rate limit; the least recently used is evicted first.
RATE_LIMITED_CLIENTS = 10_000

ROUTE_SECONDS = 15.0
# Reconcile waits for the processor up to the requested time: at most 300 s.
RECONCILE_SECONDS = 330.0
# Every watch stream sends a message at least every 60 s.
WATCH_IDLE_SECONDS = 90.0
STREAM_IDLE_SECONDS = 60.0
CONNECTION_IDLE_SECONDS = 300.0
REQUEST_HEADERS_SECONDS = 10.0
REQUEST_SECONDS = 30.0
DEFAULT_HOST = "localhost"


def http2_options() -> Config:
    """Return the limits of a client's HTTP/2 connection; the limits of frames protect against floods."""
    return {
        "max_concurrent_streams": STREAMS_PER_CONNECTION,
        "initial_stream_window_size": 256 * 1024,
        "initial_connection_window_size": 1024 * 1024,
        "max_outbound_frames": 10_000,
        "max_outbound_control_frames": 1_000,
        "max_consecutive_inbound_frames_with_empty_payload": 1,
        "max_inbound_priority_frames_per_stream": 10,
        "max_inbound_window_update_frames_per_data_frame_sent": 10,
    }


def connection_options() -> Config:
    """Return the limits of the HTTP connection manager."""
    return {
        "common_http_protocol_options": {
            "idle_timeout": seconds(CONNECTION_IDLE_SECONDS),
            "max_headers_count": HEADERS_COUNT,
        },
        # nginx sends HTTP/1.0 to upstreams by default; a request without a host is routed as well.
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": DEFAULT_HOST},
        "http2_protocol_options": http2_options(),
        "max_request_headers_kb": HEADERS_KIB,
        "request_headers_timeout": seconds(REQUEST_HEADERS_SECONDS),
        "request_timeout": seconds(REQUEST_SECONDS),
        "stream_idle_timeout": seconds(STREAM_IDLE_SECONDS),
    }


def client_connections(descriptors: int) -> int:
    """Return the maximum of client connections: each needs a descriptor, and others for upstream connections."""
    return min(CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 3)


def upstream_connections(descriptors: int) -> int:
    """Return the maximum of connections of a cluster."""
    return min(UPSTREAM_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 8)


def circuit_breakers(connections: int) -> Config:
    """Return the circuit breakers of a cluster; retries are at most a fifth of the requests in flight."""
    return {
        "thresholds": [
            {
                "max_connections": connections,
                "max_pending_requests": REQUESTS_IN_FLIGHT,
                "max_requests": REQUESTS_IN_FLIGHT,
                "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3},
            }
        ]
    }


def overload_manager(descriptors: int) -> Config:
    """Return the limits of the Envoy process: heap and client connections."""
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            monitor("fixed_heap", "fixed_heap", "FixedHeapConfig", max_heap_size_bytes=HEAP_BYTES),
            monitor(
                "global_downstream_max_connections",
                "downstream_connections",
                "DownstreamConnectionsConfig",
                max_active_downstream_connections=client_connections(descriptors),
            ),
        ],
        "actions": [
            heap_action("envoy.overload_actions.shrink_heap", 0.90),
            heap_action("envoy.overload_actions.stop_accepting_requests", 0.95),
        ],
    }


def monitor(name: str, package: str, message: str, **fields: int) -> Config:
    """Return a resource monitor."""
    kind = f"type.googleapis.com/envoy.extensions.resource_monitors.{package}.v3.{message}"
    return {"name": f"envoy.resource_monitors.{name}", "typed_config": {"@type": kind, **fields}}


def heap_action(name: str, share: float) -> Config:
    """Return the overload action at a share of the heap from 0 to 1."""
    return {"name": name, "triggers": [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}]}
