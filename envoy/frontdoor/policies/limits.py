"""Limits for clients: sizes, counts and times, above regular use and below what harms the platform."""

from __future__ import annotations

from frontdoor.config import Config, seconds, typed

# Twice an order with as many items as the contracts allow, and a batch with as many.
BODY_BYTES = 256 * 1024
# The limit of the services (runtime.grpc.server.MAX_MESSAGE_BYTES).
BATCH_BODY_BYTES = 2 * 1024 * 1024
# From this size on, bodies of a client are counted while they arrive. Small ones have at most five digits (rest.py).
LARGE_BODY_BYTES = 100_000
# Of a client at a time. The transcoder needs four times as much; a long list takes tens of ms of Envoy's one thread.
LARGE_BODIES_BYTES = 4 * 1024 * 1024
UNKNOWN_BODY_BYTES = 512 * 1024
# Of 100 orders or more.
LONG_LIST_BYTES = 1024 * 1024
RESPONSE_BYTES = 16 * 1024 * 1024
# Below the limit of the services (16 KiB), because Envoy adds headers.
HEADERS_KIB = 12
HEADERS_COUNT = 100
CONNECTIONS = 16_384
# For everything except connections: listeners, logs, health checks.
RESERVED_DESCRIPTORS = 128
# What a connection may buffer in each direction before the side that sends has to wait, and each of its streams.
CONNECTION_BUFFER_BYTES = 64 * 1024
# Clients queue what is beyond it. All of them may arrive at once, before the requests of others.
STREAMS_PER_CONNECTION = 128
# Above the admission limit of the services: they answer RESOURCE_EXHAUSTED with a delay, Envoy UNAVAILABLE.
REQUESTS_IN_FLIGHT = 8_192
# New orders of a client in a second that are admitted whatever the delay, up to the limit of the services.
SHARE_PER_SECOND = 100
# Of the others as many are let through at a time as keep the delay of half of them below this (delay_admission). The
# least is what two cores need for their peak; a lower limit would not help an Envoy that has too little CPU itself. The
# most is what a flood finds in its first moment, before the number follows the delay.
ORDER_DELAY_SECONDS, ORDER_DELAY_PERCENTILE = 0.05, 50
LEAST_ORDERS_AT_A_TIME, MOST_ORDERS_AT_A_TIME = 128, 256
# Of the refusals because of overload or a rate, so many in a hundred are in the access log.
LOGGED_REFUSALS_PERCENT = 1
# Of a reply that its client does not read, this much is in Envoy, and the rest waits in the service.
UPSTREAM_WINDOW_BYTES = 64 * 1024
UPSTREAM_CONNECTIONS = 1_024
# Separate upstream connections per client need as many again, and for a moment those of clients that disconnected.
DESCRIPTORS_FOR_OWN_CONNECTIONS = 16_384
OWN_CONNECTION_IDLE_SECONDS = 0.5
UPSTREAM_IDLE_SECONDS = 60.0
# How soon a connection of resets is closed.
RESETS_PER_CONNECTION = 50
# Of one connection, so many requests are processed before those of others; of new connections, one is accepted before
# the events of others. Without, 4,000 requests at once on four connections raised another client's p99 from 10 to
# 200 ms. Fewer requests in a row cost CPU time (1: 50 us a request).
REQUESTS_IN_A_ROW = 8
CONNECTIONS_IN_A_ROW = 1
# For the end of a reply to a client that still sends. Meanwhile Envoy holds what the client sent.
CLOSE_SECONDS = 0.25
HEAP_BYTES = 512 * 1024 * 1024
# Streams that hold 8 KiB or more are told apart by size: beyond a share of the heap, the largest are reset first. The
# bodies of one client stay below it, because Envoy leaves an HTTP/1.1 connection open whose stream was reset that way.
TRACKED_STREAM_POWER_OF_TWO = 13
RESETS_FROM, RESETS_ALL = 0.50, 0.80
# What Envoy gives back of its free memory each second, so that the most that it needed once does not stay.
RELEASED_BYTES = 8 * 1024 * 1024
# Clients with their own rate limit; the least recently used is evicted first.
RATE_LIMITED_CLIENTS = 10_000

# Of a client's downloads of pages; one that is not read ends after PAGE_IDLE_SECONDS.
PAGES_AT_ONCE = 100
PAGES_PER_SECOND = 20
PAGE_CONNECTIONS = 256
PAGE_IDLE_SECONDS = 5.0

ROUTE_SECONDS = 15.0
# Reconcile waits for the processor up to the requested time: at most 300 s.
RECONCILE_SECONDS = 330.0
# Redriving reads dead letters from Kafka and waits for each event to be acknowledged.
DEAD_LETTER_SECONDS = 30.0
# Every watch stream sends a message at least every 60 s.
WATCH_IDLE_SECONDS = 90.0
STREAM_IDLE_SECONDS = 60.0
# For the end of a reply that a client does not read.
STREAM_FLUSH_SECONDS = 5.0
CONNECTION_IDLE_SECONDS = 300.0
# The idle timeout while nearly all connections are in use.
BUSY_IDLE_SECONDS = 1.0
# Between the two GOAWAY frames of a connection that is closed.
DRAIN_SECONDS = 1.0
REQUEST_HEADERS_SECONDS = 5.0
REQUEST_SECONDS = 30.0
DEFAULT_HOST = "localhost"


def http2_options() -> Config:
    """Return the limits of a client's HTTP/2 connection; the limits of frames protect against floods."""
    return {
        "max_concurrent_streams": STREAMS_PER_CONNECTION,
        "initial_stream_window_size": 64 * 1024,
        "initial_connection_window_size": 1024 * 1024,
        "max_outbound_frames": 10_000,
        "max_outbound_control_frames": 1_000,
        "max_consecutive_inbound_frames_with_empty_payload": 1,
        "max_inbound_priority_frames_per_stream": 10,
        "max_inbound_window_update_frames_per_data_frame_sent": 10,
    }


def connection_options(age_seconds: float = 0) -> Config:
    """Return the limits of the HTTP connection manager; 0: connections may be of any age.

    At its age, a client is told to connect again, and what is in flight finishes.
    """
    aged = {"max_connection_duration": seconds(age_seconds)} if age_seconds else {}
    return {
        "common_http_protocol_options": {
            "idle_timeout": seconds(CONNECTION_IDLE_SECONDS),
            "max_headers_count": HEADERS_COUNT,
            **aged,
        },
        **({"http1_safe_max_connection_duration": True} if age_seconds else {}),
        # nginx sends HTTP/1.0 to upstreams by default; a request without a host is routed as well.
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": DEFAULT_HOST},
        "http2_protocol_options": http2_options(),
        "max_request_headers_kb": HEADERS_KIB,
        "request_headers_timeout": seconds(REQUEST_HEADERS_SECONDS),
        "request_timeout": seconds(REQUEST_SECONDS),
        "stream_idle_timeout": seconds(STREAM_IDLE_SECONDS),
        "drain_timeout": seconds(DRAIN_SECONDS),
        "stream_flush_timeout": seconds(STREAM_FLUSH_SECONDS),
        "delayed_close_timeout": seconds(CLOSE_SECONDS),
    }


def client_connections(descriptors: int) -> int:
    """Return the maximum of client connections: each needs a descriptor, and others for upstream connections."""
    return min(CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 3)


def upstream_connections(descriptors: int) -> int:
    """Return the maximum of connections of a cluster."""
    return min(UPSTREAM_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 8)


def runtime_values() -> Config:
    """Return Envoy's runtime values that limit what one connection may reset."""
    return {
        "overload.premature_reset_total_stream_count": RESETS_PER_CONNECTION,
        "http.max_requests_per_io_cycle": REQUESTS_IN_A_ROW,
    }


def memory_release() -> Config:
    """Return how free memory is given back to the operating system."""
    return {"bytes_to_release": RELEASED_BYTES, "memory_release_interval": "1s"}


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
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": TRACKED_STREAM_POWER_OF_TWO},
        "actions": [
            scaled_action("envoy.overload_actions.reset_high_memory_stream", "fixed_heap", RESETS_FROM, RESETS_ALL),
            reduced_timeouts(),
            heap_action("envoy.overload_actions.shrink_heap", 0.90),
            heap_action("envoy.overload_actions.stop_accepting_requests", 0.95),
        ],
    }


def monitor(name: str, package: str, message: str, **fields: int) -> Config:
    """Return a resource monitor."""
    kind = f"type.googleapis.com/envoy.extensions.resource_monitors.{package}.v3.{message}"
    return {"name": f"envoy.resource_monitors.{name}", "typed_config": {"@type": kind, **fields}}


def reduced_timeouts() -> Config:
    """Return the overload action that closes idle connections sooner the fewer connections are left."""
    timers = [{"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": seconds(BUSY_IDLE_SECONDS)}]
    message = "envoy.config.overload.v3.ScaleTimersOverloadActionConfig"
    action = scaled_action("envoy.overload_actions.reduce_timeouts", "global_downstream_max_connections", 0.10, 0.25)
    return {**action, "typed_config": typed(message, timer_scale_factors=timers)}


def scaled_action(name: str, resource: str, start: float, full: float) -> Config:
    """Return the overload action that grows from a share of a resource to another, both from 0 to 1."""
    scaled = {"scaling_threshold": start, "saturation_threshold": full}
    return {"name": name, "triggers": [{"name": f"envoy.resource_monitors.{resource}", "scaled": scaled}]}


def heap_action(name: str, share: float) -> Config:
    """Return the overload action at a share of the heap from 0 to 1."""
    return {"name": name, "triggers": [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}]}
