"""The first board to look at: traffic, errors, latency and saturation, then orders and revenue."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import (
    CREATE_ORDER,
    SERVER_ERRORS,
    TOO_MANY,
    Query,
    Row,
    board,
    graph,
    number,
    percentile,
    percentiles,
    rate,
)

REQUESTS = "envoy_ordermesh_requests_total"
DURATION = "envoy_ordermesh_request_duration_ms"
FAILED = f'{REQUESTS}{{code=~"{SERVER_ERRORS}"}}'
LIMITED = f'{REQUESTS}{{code=~"{TOO_MANY}"}}'
UNSUCCESSFUL = f'{REQUESTS}{{code!~"200|OK"}}'
ANSWERED = '{code=~"200|OK"}'


def overview() -> Dashboard:
    """Return the dashboard."""
    return board(
        "overview",
        "overview",
        "What clients see at the front proxy, what the platform earns, and how full it is.",
        [now(), golden_signals(), orders(), saturation(), state()],
    )


def now() -> Row:
    """Return the figures of this moment."""
    errors = f"(sum({rate(FAILED)}) or vector(0)) / sum({rate(REQUESTS)})"
    created = f'{{rpc_method="{CREATE_ORDER}",code=~"200|OK"}}'
    return Row(
        "Now",
        [
            number("Requests", "reqps", Query(f"sum({rate(REQUESTS)})"), "Requests a second, whoever answered them."),
            number(
                "Server errors",
                "percentunit",
                Query(errors),
                "Share of requests that a server failed; the objective for CreateOrder is 0.1 %.",
                orange=0.001,
                red=0.01,
            ),
            number(
                "CreateOrder, p99",
                "ms",
                Query(percentile(0.99, DURATION, labels=created)),
                "Time until the end of the reply, of orders that were accepted, over REST and gRPC.",
                orange=250,
                red=1000,
            ),
            number(
                "Order to analytics, p99",
                "s",
                Query(percentile(0.99, "ordermesh_event_delay_seconds")),
                "From the commit of an event to the commit of its counts; 99 % must take less than a second.",
                orange=0.5,
                red=1,
            ),
            number(
                "Components down",
                "none",
                Query("sum(1 - min by (component) (ordermesh_component_up))"),
                "Components that do not answer or make no progress, as the gateway sees them.",
                orange=1,
                red=1,
            ),
            number(
                "Reconciliation agrees",
                "bool_yes_no",
                Query('max(ordermesh_reconciliation_verdict{verdict=~"agrees|in_flight"})'),
                "Whether orders and metrics agreed at the reconciliation of the last three minutes.",
                orange=1,
                red=0.5,
            ),
        ],
        most=6,
    )


def golden_signals() -> Row:
    """Return traffic, errors and latency as clients see them."""
    return Row(
        "As clients see it",
        [
            graph(
                "Requests by method",
                "reqps",
                [Query(f"sum by (rpc_method) ({rate(REQUESTS)})", "{{rpc_method}}")],
                "Requests at the front proxy, over REST and gRPC; those without a name are for no RPC method.",
                stacked=True,
            ),
            graph(
                "Errors and refusals by code",
                "reqps",
                [Query(f"sum by (code) ({rate(UNSUCCESSFUL)})", "{{code}}")],
                "Requests that did not succeed, by HTTP status for REST and by gRPC code.",
            ),
            graph(
                "Latency of successful requests, p99",
                "ms",
                [Query(percentile(0.99, DURATION, "rpc_method", ANSWERED), "{{rpc_method}}")],
                "From the first byte of the request to the last one of the reply. Streams last until clients leave.",
            ),
        ],
    )


def orders() -> Row:
    """Return orders and revenue."""
    return Row(
        "Orders and revenue",
        [
            graph(
                "Orders accepted",
                "ops",
                [Query(f"sum by (status) ({rate('ordermesh_orders_accepted_total')})", "{{status}}")],
                "Orders stored and acknowledged, by their first status.",
                stacked=True,
            ),
            graph(
                "Revenue per minute",
                "short",
                [Query(f"60 * sum by (kind) ({rate('ordermesh_revenue_minor_total')}) / 100", "{{kind}}")],
                "In units of the currency, of the events that were counted: of accepted and of cancelled orders.",
            ),
            graph(
                "Time from order to analytics",
                "s",
                percentiles("ordermesh_event_delay_seconds"),
                "From the commit of an event to the commit of its counts.",
            ),
        ],
    )


def saturation() -> Row:
    """Return how full the platform is."""
    calls, limit = "ordermesh_admission_calls", "ordermesh_admission_limit_calls"
    return Row(
        "Saturation",
        [
            graph(
                "Admitted calls, share of the limit",
                "percentunit",
                [Query(f"sum({calls}) / sum({limit})", "orders")],
                "Writing calls in progress; from 100 % on, others are refused.",
            ),
            graph(
                "Refused for their amount",
                "reqps",
                [Query(f"sum by (rpc_method) ({rate(LIMITED)}) or vector(0)", "{{rpc_method}}")],
                "Requests that a limit of the front proxy or of a service refused.",
            ),
            graph(
                "Oldest event on its way",
                "s",
                [Query("max(ordermesh_outbox_oldest_unsent_age_seconds)", "unsent")],
                "Age of the oldest event that Kafka has not acknowledged.",
            ),
            graph(
                "Consumer lag",
                "short",
                [Query("sum(max by (topic, partition) (ordermesh_consumer_lag_events))", "events")],
                "Records that the processor's group has not committed.",
            ),
            graph(
                "Event-loop delay, p99",
                "s",
                [Query(percentile(0.99, "ordermesh_event_loop_delay_seconds", "job"), "{{job}}")],
                "How much later than planned a timer ran; a delay means that the process has no CPU left.",
            ),
            graph(
                "Database connections, share of the limit",
                "percentunit",
                [
                    Query(
                        "sum by (database) (max by (database, state) (ordermesh_postgres_connections))"
                        " / max by (database) (ordermesh_postgres_max_connections)",
                        "{{database}}",
                    )
                ],
                "Connections to each database, of those that the server accepts.",
            ),
        ],
    )


def state() -> Row:
    """Return the states of components and what runs."""
    return Row(
        "State",
        [
            graph(
                "Components",
                "bool_on_off",
                [Query("min by (component) (ordermesh_component_up)", "{{component}}")],
                "1 while a component answers and makes progress.",
            ),
            graph(
                "Versions",
                "none",
                [Query("count by (version, python) (ordermesh_build_info)", "{{version}}, Python {{python}}")],
                "Running services by version.",
            ),
        ],
        most=2,
    )
