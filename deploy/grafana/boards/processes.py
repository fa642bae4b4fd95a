"""The programs: CPU, memory, files, event loops and restarts."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.panels import Query, Row, board, graph, percentile, percentiles, rate


def processes() -> Dashboard:
    """Return the dashboard."""
    return board(
        "processes",
        "processes",
        "What the Python services use of the machine, and how they fare.",
        [services(), children(), python(), telemetry()],
    )


def services() -> Row:
    """Return the processes that serve metrics."""
    return Row(
        "Services",
        [
            graph(
                "CPU",
                "none",
                [Query(f"sum by (job) ({rate('process_cpu_seconds_total')})", "{{job}}")],
                "Cores. Of orders and the processor it is their supervisor; see the child processes.",
            ),
            graph(
                "Resident memory",
                "bytes",
                [Query("sum by (job) (process_resident_memory_bytes)", "{{job}}")],
                "Of orders and the processor it is their supervisor; see the child processes.",
            ),
            graph(
                "Open files, share of the limit",
                "percentunit",
                [Query("max by (job) (process_open_fds / process_max_fds)", "{{job}}")],
                "Files, sockets and pipes.",
            ),
        ],
    )


def children() -> Row:
    """Return the child processes of orders and the processor."""
    return Row(
        "Child processes",
        [
            graph(
                "CPU",
                "none",
                [Query(f"sum by (job, child) ({rate('ordermesh_child_cpu_seconds_total')})", "{{job}} {{child}}")],
                "Cores.",
                stacked=True,
            ),
            graph(
                "Largest resident memory",
                "bytes",
                [Query("sum by (job, child) (ordermesh_child_peak_memory_bytes)", "{{job}} {{child}}")],
                "Since the start of the child, by its index in its service.",
                stacked=True,
            ),
            graph(
                "Restarts",
                "none",
                [Query("sum by (job) (increase(ordermesh_child_restarts_total[10m]))", "{{job}}")],
                "Child processes started again in the last ten minutes.",
            ),
        ],
    )


def python() -> Row:
    """Return what is particular to Python."""
    delay = "ordermesh_event_loop_delay_seconds"
    return Row(
        "Python",
        [
            graph("Event-loop delay", "s", percentiles(delay), "Of all processes with an event loop."),
            graph(
                "Event-loop delay by service, p99",
                "s",
                [Query(percentile(0.99, delay, "job"), "{{job}}")],
                "How much later than planned a timer ran.",
            ),
            graph(
                "Garbage collections",
                "ops",
                [Query(f"sum by (job, generation) ({rate('python_gc_collections_total')})", "{{job}} {{generation}}")],
                "Of the processes that serve metrics, by generation.",
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


def telemetry() -> Row:
    """Return what becomes of the spans."""
    dropped = f"sum by (reason) ({rate('ordermesh_spans_dropped_total')})"
    return Row(
        "Telemetry",
        [
            graph(
                "Spans accepted",
                "ops",
                [Query(f"sum by (job) ({rate('ordermesh_spans_exported_total')})", "{{job}}")],
                "Spans of sampled traces that the collector accepted; empty while no spans are sent.",
            ),
            graph(
                "Spans dropped",
                "ops",
                [Query(f"{dropped} or vector(0)", "{{reason}}")],
                "Spans that were not sent: the queue was full, or the collector did not accept them.",
            ),
        ],
        most=2,
    )
