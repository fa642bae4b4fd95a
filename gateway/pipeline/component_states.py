"""Derives the state of every component from samples: whether it answers, and whether its work progresses. Pure.

The single source of the states that are shown anywhere. A component that only lacks another one has the message
"needs ..." with the name of that component.
"""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse

from gateway.backends.grpc_backend import Process
from gateway.pipeline.processor_state import processor_state
from gateway.pipeline.publisher_state import HeartbeatMonitor, publisher_state
from gateway.pipeline.sample import (
    DEGRADED,
    DOWN,
    DRAINING,
    REPORTED_SHARE,
    SILENCE_SECONDS,
    UNKNOWN,
    UP,
    Sample,
    State,
    call_totals,
)

ORDERS_DATABASE, ANALYTICS_DATABASE = "postgresql-orders", "postgresql-analytics"
# Refused and failed calls are reported from this many on.
REPORTED_CALLS = 5
SLOW_MS = 1000.0


def component_states(samples: Sequence[Sample], publisher_heartbeat: HeartbeatMonitor) -> dict[str, State]:
    """Return the state of each component at the last sample, from the front proxy to the metrics."""
    last = samples[-1]
    orders_database = _database("orders", last.orders_processes)
    analytics_database = _database("analytics", last.analytics_processes)
    orders_down, analytics_down = orders_database.value == DOWN, analytics_database.value == DOWN
    return {
        "envoy": _envoy(last),
        "orders": _service("orders", last, last.orders_processes, ORDERS_DATABASE, orders_down),
        "publisher": publisher_state(samples, publisher_heartbeat, ORDERS_DATABASE, orders_down),
        "kafka": _kafka(last),
        "processor": processor_state(samples, ANALYTICS_DATABASE, analytics_down),
        "analytics": _service("analytics", last, last.analytics_processes, ANALYTICS_DATABASE, analytics_down),
        "gateway": State(DRAINING, "finishes the requests in flight") if last.draining else State(UP),
        ORDERS_DATABASE: orders_database,
        ANALYTICS_DATABASE: analytics_database,
    }


def _envoy(last: Sample) -> State:
    if last.envoy_seen_seconds is None:
        return State(UNKNOWN, "no health check of the gateway yet")
    if last.envoy_seen_seconds < SILENCE_SECONDS:
        return State(UP)
    return State(DOWN, f"no health check of the gateway for {SILENCE_SECONDS:g} seconds")


def _kafka(last: Sample) -> State:
    if "kafka" in last.problems:
        return State(DOWN, last.problems["kafka"])
    offline = 0 if last.log is None else last.log.offline
    return State(DEGRADED, f"{offline} partitions have no leader") if offline else State(UP)


def _database(service: str, processes: Sequence[Process]) -> State:
    reported = [one.health.database_problem for one in processes if one.health is not None]
    problems = [problem for problem in reported if problem]
    if not reported:
        return State(UNKNOWN, f"unknown while {service} does not answer")
    if not problems:
        return State(UP)
    return State(DOWN if len(problems) == len(reported) else DEGRADED, problems[0])


def _service(name: str, last: Sample, processes: Sequence[Process], database: str, database_down: bool) -> State:
    answering = [one.health for one in processes if one.health is not None]
    silent = [one.problem for one in processes if one.health is None]
    if not answering:
        return State(DOWN, silent[0] if silent else "no process is known")
    draining = sum(health.draining for health in answering)
    if draining:
        return State(DRAINING, f"{_of(draining, processes)} accepts no new requests")
    if database_down:
        return State(DEGRADED, f"needs {database}")
    if silent:
        return State(DEGRADED, f"{_of(len(silent), processes)}: {silent[0]}")
    if name in last.problems:
        return State(DEGRADED, last.problems[name])
    return _calls(answering)


def _of(some: int, processes: Sequence[Process]) -> str:
    return f"{some} of {len(processes)} processes" if len(processes) > 1 else "its process"


def _calls(answering: Sequence[GetProcessHealthResponse]) -> State:
    """Return whether the recent calls were served."""
    calls, refused, failed = call_totals(answering)
    if refused >= max(REPORTED_CALLS, REPORTED_SHARE * calls):
        return State(DEGRADED, f"overloaded: refuses {refused / calls:.0%} of {calls:,} calls in 10 seconds")
    if failed >= max(REPORTED_CALLS, REPORTED_SHARE * calls):
        return State(DEGRADED, f"fails {failed / calls:.0%} of {calls:,} calls in 10 seconds")
    slowest = max(health.p50_ms for health in answering)
    if calls >= REPORTED_CALLS and slowest > SLOW_MS:
        return State(DEGRADED, f"slow: half of the calls take longer than {slowest / 1000:.1f} s")
    return State(UP)
