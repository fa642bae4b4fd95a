"""The status: what is shown when parts answer, move, and do not answer."""

from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, GetOrderProgressResponse, PausedPartition
from pipeline_world import FakeLog

from gateway.event_log import LogState
from gateway.sampler import Sampler
from gateway.status import Pulse, Sample, states, status

Component = PipelineStatus.Component
BEGAN = 1_800_000_000.0


def sample(second: float, orders: int | None = 0, counted: int = 0, heartbeat: int = 0, workers: int = 1) -> Sample:
    progress = GetOrderProgressResponse(orders_total=orders or 0, published_total=2 * (orders or 0))
    progress.publisher_seen_at.seconds = heartbeat
    return Sample(
        taken_seconds=second,
        as_of=datetime.fromtimestamp(BEGAN + second, UTC),
        orders=None if orders is None else progress,
        analytics=GetAnalyticsProgressResponse(counted_total=counted, workers=workers),
        log=LogState(1, {}, {("order-events", 0): 9, ("stock.dlq", 0): 4}, {("order-events", 0): 7}),
        problems={} if orders is not None else {"orders": "nothing listens there"},
    )


def test_rates_are_over_all_samples_that_have_the_count() -> None:
    made = status([sample(0, 100), sample(1, None), sample(4, 300, counted=40)], [])
    assert made.intake.orders_per_second == 50.0
    assert made.outbox.published_per_second == 100.0
    assert made.processing.counted_per_second == 10.0
    assert (made.kafka.end_offset_total, made.kafka.consumer_lag, made.kafka.dead_letters) == (9, 2, 4)


def test_one_sample_has_no_rates() -> None:
    assert status([sample(0, 100)], []).intake.orders_per_second == 0.0


def test_a_part_that_does_not_answer_is_down_and_those_behind_it_are_not_known() -> None:
    found = states(sample(0, None), Pulse())
    assert (found["orders"].up, found["orders"].message) == (False, "nothing listens there")
    assert found["publisher"].up is None
    assert all(found[part].up for part in ("kafka", "analytics", "processor"))


def test_a_processor_without_workers_is_down() -> None:
    assert states(sample(0, workers=0), Pulse())["processor"].up is False


def test_a_publisher_is_up_while_its_heartbeat_goes_on_whatever_its_clock_says() -> None:
    pulse = Pulse()
    hour_ahead = int(BEGAN) + 3600
    assert states(sample(0, heartbeat=hour_ahead), pulse)["publisher"].up
    assert states(sample(9, heartbeat=hour_ahead), pulse)["publisher"].up
    assert not states(sample(11, heartbeat=hour_ahead), pulse)["publisher"].up
    assert states(sample(12, heartbeat=hour_ahead + 1), pulse)["publisher"].up


def test_a_publisher_that_was_gone_long_ago_is_down_at_once() -> None:
    assert not states(sample(0, heartbeat=int(BEGAN) - 3600), Pulse())["publisher"].up


def test_a_publisher_that_never_showed_itself_is_down() -> None:
    one = sample(0)
    one.orders.ClearField("publisher_seen_at")
    assert states(one, Pulse())["publisher"].up is False


def components(made: PipelineStatus) -> dict[str, Component]:
    return {one.name: one for one in made.components}


async def test_the_status_tells_what_every_part_says(servers, orders, analytics) -> None:
    now = Timestamp()
    now.GetCurrentTime()
    servers.world.order_progress = GetOrderProgressResponse(orders_total=5, pending=2, publisher_seen_at=now)
    paused = PausedPartition(topic="order-events", partition=3, paused_at=now, records=10_000, bad=9_000)
    servers.world.analytics_progress = GetAnalyticsProgressResponse(
        counted_total=3, workers=2, latency_p99_ms=12.5, worker_crashes=4, paused_partitions=[paused]
    )
    made = await Sampler(orders, analytics, FakeLog(servers.world)).status()
    assert (made.intake.orders_total, made.outbox.pending, made.processing.counted_total) == (5, 2, 3)
    assert (made.kafka.consumer_lag, made.processing.latency.p99_ms) == (2, 12.5)
    assert made.processing.worker_crashes == 4
    (shown,) = made.processing.paused_partitions
    assert MessageToDict(shown) == MessageToDict(paused)
    names = ["orders", "publisher", "kafka", "processor", "analytics", "gateway"]
    assert [(one.name, one.state) for one in made.components] == [(name, Component.UP) for name in names]


async def test_a_part_that_goes_down_is_shown_with_its_time_and_its_reason(servers, orders, analytics) -> None:
    sampler = Sampler(orders, analytics, FakeLog(servers.world), fresh_seconds=0)
    before = components(await sampler.status())
    await servers.analytics.stop(None)
    after = components(await sampler.status())
    assert (before["analytics"].state, after["analytics"].state) == (Component.UP, Component.DOWN)
    assert after["analytics"].message
    assert after["processor"].state == Component.STATE_UNSPECIFIED
    assert after["analytics"].since.ToNanoseconds() > before["analytics"].since.ToNanoseconds()
    assert after["orders"].since == before["orders"].since
