"""Envoy: the front proxy's traffic, its limits, and the services behind it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, percentile, rate

REQUESTS, DURATION = "envoy_ordermesh_requests_total", "envoy_ordermesh_request_duration_ms"


def envoy() -> Dashboard:
    """Return the dashboard."""
    return board(
        "envoy",
        "Envoy",
        "The front proxy: requests by method and code, limits, upstream services, the process.",
        [requests(), limits(), upstreams(), process()],
    )


def requests() -> Row:
    """Return the requests of clients."""
    return Row(
        "Requests",
        [
            graph(
                "By method and protocol",
                "reqps",
                [Query(f"sum by (rpc_method, protocol) ({rate(REQUESTS)})", "{{rpc_method}} {{protocol}}")],
                "Each request once, whoever answered it.",
                stacked=True,
            ),
            graph(
                "By code",
                "reqps",
                [Query(f"sum by (protocol, code) ({rate(REQUESTS)})", "{{protocol}} {{code}}")],
                "HTTP status for REST, gRPC code for gRPC.",
                stacked=True,
            ),
            graph(
                "Duration by protocol, p99",
                "ms",
                [Query(percentile(0.99, DURATION, "protocol"), "{{protocol}}")],
                "From the first byte of the request to the last one of the reply.",
            ),
        ],
    )


def limits() -> Row:
    """Return what the front proxy refuses."""
    manager = '{envoy_http_conn_manager_prefix="front"}'
    return Row(
        "Limits",
        [
            graph(
                "New orders refused by delay",
                "reqps",
                [Query(f"sum({rate('envoy_http_adaptive_concurrency_gradient_controller_rq_blocked')})", "refused")],
                "Orders above a client's share, refused because the delay of new orders rose.",
            ),
            graph(
                "Connections",
                "none",
                [
                    Query(f"sum(envoy_http_downstream_cx_active{manager})", "open"),
                    Query(f"sum({rate(f'envoy_http_downstream_cx_total{manager}')})", "opened a second"),
                ],
                "Connections of clients.",
            ),
            graph(
                "Requests in progress",
                "none",
                [Query(f"sum(envoy_http_downstream_rq_active{manager})", "in progress")],
                "Of all clients, with streams.",
            ),
        ],
    )


def upstreams() -> Row:
    """Return the services behind the front proxy."""
    cluster = "envoy_cluster_name"
    return Row(
        "Services",
        [
            graph(
                "Healthy endpoints",
                "none",
                [Query(f"sum by ({cluster}) (envoy_cluster_membership_healthy)", f"{{{{{cluster}}}}}")],
                "By the health checks of the front proxy.",
            ),
            graph(
                "Response time, p99",
                "ms",
                [Query(percentile(0.99, "envoy_cluster_upstream_rq_time", cluster), f"{{{{{cluster}}}}}")],
                "Of the services, without what the front proxy does.",
            ),
            graph(
                "Retries and failed connections",
                "ops",
                [
                    Query(f"sum({rate('envoy_cluster_upstream_rq_retry')})", "retries"),
                    Query(f"sum({rate('envoy_cluster_upstream_cx_connect_fail')})", "failed connections"),
                ],
                "Requests that no service had received are sent to another process.",
            ),
        ],
    )


def process() -> Row:
    """Return the process and its certificates."""
    return Row(
        "Process",
        [
            graph(
                "Memory",
                "bytes",
                [
                    Query("sum(envoy_server_memory_allocated)", "allocated"),
                    Query("sum(envoy_server_memory_physical_size)", "physical"),
                ],
                "Of the front proxy.",
            ),
            graph("Uptime", "s", [Query("max(envoy_server_uptime)", "uptime")], "Since the start of the process."),
            graph(
                "Days until a certificate expires",
                "none",
                [Query("min(envoy_server_days_until_first_cert_expiring)", "days")],
                "Of the front listener; a huge number without TLS.",
            ),
        ],
    )
