"""The status of the pipeline: components that answer, progress, are stalled, and do not answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse, PausedPartition
from ordermesh.internal.v1.process_pb2 import GetProcessHealthResponse
from pipeline_world import FakeLog

from gateway.backends.grpc_backend import Process
from gateway.backends.topic_state import LogState
from gateway.pipeline.component_states import component_states
from gateway.pipeline.pipeline_status import pipeline_status
from gateway.pipeline.publisher_state import HeartbeatMonitor
from gateway.pipeline.sample import Sample, State
from gateway.pipeline.sampler import Sampler

Component = PipelineStatus.Component
UP, DOWN, DEGRADED, DRAINING = Component.UP, Component.DOWN, Component.DEGRADED, Component.DRAINING
UNKNOWN = Component.STATE_UNSPECIFIED
NOT_RECONCILED = PipelineStatus.Reconciliation()
BEGAN = 1_800_000_000.0
COMPONENTS = {
    "envoy", "orders", "publisher", "kafka", "processor", "analytics", "gateway", "postgresql-orders",
    "postgresql-analytics",
}  # fmt: skip
SILENT = Process(problem="no answer within 2 s")


def process(**changes: Any) -> Process:
    return Process(GetProcessHealthResponse(**changes))


def sample(
    second: float,
    orders: int | None = 0,
    counted: int = 0,
    heartbeat: int | None = None,
    workers: int = 1,
    published: int | None = None,
    lag: int = 0,
    progress: dict[str, Any] | None = None,
    **changes: Any,
) -> Sample:
    """Return a sample some seconds after the start; all is well except for the changes."""
    seen = Timestamp(seconds=int(BEGAN + second) if heartbeat is None else heartbeat)
    sent = 2 * (orders or 0) if published is None else published
    reported = GetOrderProgressResponse(
        orders_total=orders or 0, published_total=sent, publisher_heartbeat_time=seen, **(progress or {})
    )
    values: dict[str, Any] = {
        "taken_seconds": second,
        "read_time": datetime.fromtimestamp(BEGAN + second, UTC),
        "orders": None if orders is None else reported,
        "analytics": GetAnalyticsProgressResponse(counted_total=counted, workers=workers),
        "log": LogState(1, {}, {("order-events", 0): 7 + lag, ("stock.dlq", 0): 4}, {("order-events", 0): 7}),
        "problems": {},
        "orders_processes": [process(), process()],
        "analytics_processes": [process()],
        "envoy_seen_seconds": 1.0,
    }
    return Sample(**(values | changes))


def found(*samples: Sample) -> dict[str, State]:
    return component_states(samples, HeartbeatMonitor())


def troubled(*samples: Sample) -> dict[str, tuple[int, str]]:
    """Return the components that are not UP."""
    return {name: (one.value, one.message) for name, one in found(*samples).items() if one.value != UP}


def test_rates_are_over_all_samples_that_have_the_count() -> None:
    made = pipeline_status([sample(0, 100), sample(1, None), sample(4, 300, counted=40, lag=2)], [], NOT_RECONCILED)
    assert made.intake.orders_per_second == 50.0
    assert made.outbox.published_per_second == 100.0
    assert made.processing.counted_per_second == 10.0
    assert (made.kafka.end_offset_total, made.kafka.consumer_lag, made.kafka.dead_letters) == (9, 2, 4)


def test_one_sample_has_no_rates() -> None:
    assert pipeline_status([sample(0, 100)], [], NOT_RECONCILED).intake.orders_per_second == 0.0


def test_components_that_make_progress_are_up() -> None:
    assert found(sample(0)).keys() == COMPONENTS
    assert troubled(sample(0)) == {}


def test_a_service_whose_processes_are_all_silent_is_down_and_what_only_it_knows_is_unknown() -> None:
    assert troubled(sample(0, None, orders_processes=[SILENT, SILENT])) == {
        "orders": (DOWN, "no answer within 2 s"),
        "postgresql-orders": (UNKNOWN, "unknown while orders does not answer"),
        "publisher": (UNKNOWN, "unknown while orders does not answer"),
    }


def test_one_silent_process_of_two_is_reported() -> None:
    assert troubled(sample(0, orders_processes=[process(), SILENT])) == {
        "orders": (DEGRADED, "1 of 2 processes: no answer within 2 s")
    }


def test_a_database_is_down_and_the_components_that_need_it_are_degraded() -> None:
    gone = process(database_problem="connection refused")
    down = sample(0, None, orders_processes=[gone, gone], analytics_processes=[gone], analytics=None)
    assert troubled(down) == {
        "postgresql-orders": (DOWN, "connection refused"),
        "postgresql-analytics": (DOWN, "connection refused"),
        "orders": (DEGRADED, "needs postgresql-orders"),
        "publisher": (DEGRADED, "needs postgresql-orders"),
        "analytics": (DEGRADED, "needs postgresql-analytics"),
        "processor": (DEGRADED, "needs postgresql-analytics"),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calls": 400, "refused": 300}, "overloaded: refuses 75% of 400 calls in 10 seconds"),
        ({"calls": 400, "failed": 40}, "fails 10% of 400 calls in 10 seconds"),
        ({"calls": 400, "p50_ms": 2500.0}, "slow: half of the calls take longer than 2.5 s"),
    ],
)
def test_calls_that_are_not_served_are_reported(changes: dict[str, Any], message: str) -> None:
    assert troubled(sample(0, orders_processes=[process(**changes)])) == {"orders": (DEGRADED, message)}


def test_occasional_refusals_are_not_overload() -> None:
    assert troubled(sample(0, orders_processes=[process(calls=400, refused=4, failed=4)])) == {}


def test_the_status_has_the_recent_calls_and_the_backorders() -> None:
    busy = [process(calls=300, refused=90, p50_ms=2.0), process(calls=100, failed=40, p50_ms=4.0)]
    made = pipeline_status([sample(0, orders_processes=busy, progress={"backorders": 7})], [], NOT_RECONCILED)
    assert (made.intake.calls_per_second, made.intake.backorders) == (40.0, 7)
    assert (made.intake.refused_share, made.intake.failed_share) == (0.225, 0.1)
    assert made.intake.call_latency.p50_ms == 4.0


def test_a_process_that_drains_is_reported() -> None:
    assert troubled(sample(0, orders_processes=[process(), process(draining=True)])) == {
        "orders": (DRAINING, "1 of 2 processes accepts no new requests")
    }
    assert troubled(sample(0, draining=True)) == {"gateway": (DRAINING, "finishes the requests in flight")}


def test_a_processor_without_workers_is_down_and_one_with_a_silent_worker_is_degraded() -> None:
    assert found(sample(0, workers=0))["processor"].value == DOWN
    silent = GetAnalyticsProgressResponse(workers=1, silent_workers=1)
    assert troubled(sample(0, analytics=silent)) == {"processor": (DEGRADED, "1 of 2 workers are silent")}


def test_a_processor_that_counts_nothing_while_events_wait_is_stalled() -> None:
    still = [sample(second, counted=40, lag=3) for second in range(11)]
    assert troubled(*still) == {"processor": (DEGRADED, "3 events wait, none was counted in 10 seconds")}
    assert troubled(*still, sample(11, counted=41, lag=3)) == {}
    assert troubled(*still[:5]) == {}


def log_at(committed: int, end: int) -> LogState:
    """Return a log of two partitions: all of one is counted, of the other what is given."""
    first, other = ("order-events", 0), ("order-events", 1)
    ends = {first: 7, other: end}
    return LogState(1, {}, ends, {first: 7, other: committed}, stable_ends=ends)


def test_a_stalled_partition_is_named_while_others_are_counted() -> None:
    still = [sample(second, counted=40 + second, log=log_at(2, 5 + second)) for second in range(11)]
    reported = "events wait in order-events/1, none was counted there in 10 seconds"
    assert troubled(*still) == {"processor": (DEGRADED, reported)}
    assert troubled(*still[:5]) == {}
    assert troubled(*still, sample(11, counted=60, log=log_at(3, 20))) == {}
    new = [sample(second, counted=40 + second, log=log_at(5, 5 + second)) for second in range(11)]
    assert troubled(*new) == {}


@pytest.mark.parametrize(("crashes", "state"), [(0, UP), (2, UP), (3, DEGRADED), (50, DEGRADED)])
def test_repeated_crashes_of_workers_are_reported(crashes: int, state: int) -> None:
    analytics = GetAnalyticsProgressResponse(workers=1, worker_crashes=crashes)
    assert found(sample(0, analytics=analytics))["processor"].value == state


WAITS = {"pending": 3, "oldest_pending_seconds": 12.0}


def test_a_publisher_that_publishes_nothing_while_events_are_pending_is_stalled() -> None:
    stuck = {"publisher": (DEGRADED, "an event is pending for 12 seconds")}
    assert troubled(sample(0, published=5, progress=WAITS), sample(1, published=5, progress=WAITS)) == stuck
    assert troubled(sample(0, published=5, progress=WAITS), sample(1, published=6, progress=WAITS)) == {}
    late = WAITS | {"oldest_pending_seconds": 90.0}
    assert "publisher" in troubled(sample(0, published=5, progress=late), sample(1, published=6, progress=late))


def test_dead_events_are_reported_with_the_command_that_lists_them() -> None:
    ((value, message),) = troubled(sample(0, progress={"dead": 11})).values()
    assert (value, "11 events" in message, "`ordermesh dlq summary`" in message) == (DEGRADED, True, True)


@pytest.mark.parametrize(
    ("counted", "rejected", "reported"), [(0, 11, True), (95, 5, True), (96, 4, False), (1000, 5, False)]
)
def test_a_processor_that_rejects_many_records_is_reported(counted: int, rejected: int, reported: bool) -> None:
    before = GetAnalyticsProgressResponse(workers=1, counted_total=7, dead_letters_total=3)
    after = GetAnalyticsProgressResponse(workers=1, counted_total=7 + counted, dead_letters_total=3 + rejected)
    seen = troubled(sample(0, analytics=before), sample(5, analytics=after))
    assert bool(seen) == reported
    if reported:
        assert seen["processor"][0] == DEGRADED
        assert "`ordermesh dlq summary`" in seen["processor"][1]


def test_a_publisher_without_kafka_needs_kafka() -> None:
    away = {"problems": {"kafka": "connection refused"}, "log": None}
    assert troubled(sample(0, published=5, progress=WAITS, **away)) == {
        "kafka": (DOWN, "connection refused"),
        "publisher": (DEGRADED, "needs kafka"),
    }


def test_a_kafka_with_partitions_without_a_leader_is_degraded_and_not_down() -> None:
    assert troubled(sample(0, log=LogState(3, {}, {}, {}, offline=4))) == {
        "kafka": (DEGRADED, "4 partitions have no leader")
    }


def test_a_publisher_is_up_while_its_heartbeat_continues_whatever_its_clock_says() -> None:
    heartbeat = HeartbeatMonitor()
    hour_ahead = int(BEGAN) + 3600
    seen = [component_states([sample(at, heartbeat=hour_ahead)], heartbeat)["publisher"].value for at in (0, 9, 11)]
    assert seen == [UP, UP, DOWN]
    assert component_states([sample(12, heartbeat=hour_ahead + 1)], heartbeat)["publisher"].value == UP


def test_a_publisher_with_an_old_heartbeat_is_down_at_once() -> None:
    assert found(sample(0, heartbeat=int(BEGAN) - 3600))["publisher"].value == DOWN


def test_a_publisher_without_a_heartbeat_is_down() -> None:
    one = sample(0)
    assert one.orders is not None
    one.orders.ClearField("publisher_heartbeat_time")
    assert found(one)["publisher"].value == DOWN


@pytest.mark.parametrize(("seen", "state"), [(None, UNKNOWN), (9.0, UP), (11.0, DOWN)])
def test_envoy_is_up_while_it_checks_the_gateways_health(seen: float | None, state: int) -> None:
    assert found(sample(0, envoy_seen_seconds=seen))["envoy"].value == state


def components(made: PipelineStatus) -> dict[str, Component]:
    return {one.name: one for one in made.components}


async def test_the_status_has_what_every_component_reports(servers, orders, analytics) -> None:
    now = Timestamp()
    now.GetCurrentTime()
    servers.world.order_progress = GetOrderProgressResponse(orders_total=5, pending=2, publisher_heartbeat_time=now)
    paused = PausedPartition(topic="order-events", partition=3, pause_time=now, records=10_000, bad=9_000)
    servers.world.analytics_progress = GetAnalyticsProgressResponse(
        counted_total=3, workers=2, latency_p99_ms=12.5, worker_crashes=4, paused_partitions=[paused]
    )
    made = await Sampler(orders, analytics, FakeLog(servers.world), envoy_seen_seconds=lambda: 1.0).status()
    assert (made.intake.orders_total, made.outbox.pending, made.processing.counted_total) == (5, 2, 3)
    assert (made.kafka.consumer_lag, made.processing.latency.p99_ms) == (2, 12.5)
    assert made.processing.worker_crashes == 4
    (shown,) = made.processing.paused_partitions
    assert MessageToDict(shown) == MessageToDict(paused)
    reported = {one.name: (one.state, one.message) for one in made.components if one.state != UP}
    assert reported.keys() == {"orders", "processor"}
    assert reported["processor"] == (DEGRADED, "1 partition is paused: most of its records are rejected")
    assert not made.ready


async def test_a_component_that_goes_down_is_shown_with_its_time_and_its_reason(servers, orders, analytics) -> None:
    sampler = Sampler(orders, analytics, FakeLog(servers.world), fresh_seconds=0)
    before = components(await sampler.status())
    await servers.analytics.stop(None)
    after = components(await sampler.status())
    assert (before["analytics"].state, after["analytics"].state) == (Component.UP, Component.DOWN)
    assert after["analytics"].message
    assert after["processor"].state == Component.STATE_UNSPECIFIED
    assert after["analytics"].state_change_time.ToNanoseconds() > before["analytics"].state_change_time.ToNanoseconds()
    assert after["orders"].state_change_time == before["orders"].state_change_time
