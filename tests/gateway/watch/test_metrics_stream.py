"""The totals as they are watched, through a real gateway in front of servers that tell them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ledger_servers import Servers
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.internal.v1 import ledger_pb2_grpc
from ordermesh.internal.v1.ledger_pb2 import GetAnalyticsProgressResponse, PartitionPosition
from ordermesh.internal.v1.revision_pb2 import MetricsRevision
from pipeline_world import AnalyticsLedger
from watched_log import START_SECONDS, Watched, watching_gateway

from gateway.watch.metrics_stream import is_newer, next_offsets
from runtime.kafka import topics
from runtime.kafka.settings import KafkaSettings
from stack.machine import ports


class Analytics(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Counts as many orders as the world has counted events."""

    def __init__(self, servers: Servers) -> None:
        self._world = servers.world

    async def GetSalesSummary(self, request, context):
        return analytics_pb2.SalesSummary(orders_total=self._world.analytics_progress.counted_total)


@pytest.fixture
async def gateway(servers: Servers, run_folder: Path) -> AsyncIterator[Watched]:
    await servers.analytics.stop(None)
    server = grpc.aio.server()
    ledger_and_totals(server, servers)
    server.add_insecure_port(servers.analytics_target)
    await server.start()
    servers.analytics = server
    (kafka_port,) = ports.allocate(1)
    async with watching_gateway(KafkaSettings(kafka_bootstrap=f"127.0.0.1:{kafka_port}"), run_folder) as started:
        yield started
    await server.stop(None)


def ledger_and_totals(server: grpc.aio.Server, servers: Servers) -> None:
    ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedger(servers.world), server)
    analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(Analytics(servers), server)


def counted(servers: Servers, events: int, topic_id: bytes = b"topic-id-number1") -> None:
    """Let so many events of a topic be counted."""
    positions = [PartitionPosition(topic=topics.ORDER_EVENTS, partition=1, next_offset=events, topic_id=topic_id)]
    servers.world.analytics_progress = GetAnalyticsProgressResponse(counted_total=events, positions=positions)


async def next_summary(stream) -> pb.WatchMetricsResponse:
    while True:
        message = await asyncio.wait_for(stream.read(), START_SECONDS)
        if not message.HasField("heartbeat"):
            return message


async def test_totals_are_sent_at_once_and_when_something_was_counted(servers: Servers, gateway: Watched) -> None:
    counted(servers, 3)
    stream = gateway.watch.WatchMetrics(pb.WatchMetricsRequest(interval_ms=200, heartbeat_ms=500))
    first = await next_summary(stream)
    assert first.summary.orders_total == 3
    assert (await stream.read()).HasField("heartbeat")
    counted(servers, 5)
    second = await next_summary(stream)
    assert second.summary.orders_total == 5
    assert second.revision != first.revision
    stream.cancel()


async def test_after_a_revision_only_newer_totals_are_sent(servers: Servers, gateway: Watched) -> None:
    counted(servers, 3)
    stream = gateway.watch.WatchMetrics(pb.WatchMetricsRequest(interval_ms=200))
    revision = (await next_summary(stream)).revision
    stream.cancel()
    request = pb.WatchMetricsRequest(interval_ms=200, heartbeat_ms=500, after_revision=revision)
    resumed = gateway.watch.WatchMetrics(request)
    heartbeat = await resumed.read()
    assert (heartbeat.WhichOneof("body"), heartbeat.revision) == ("heartbeat", revision)
    counted(servers, 4)
    assert (await next_summary(resumed)).summary.orders_total == 4
    resumed.cancel()


@pytest.mark.parametrize(
    ("events", "topic_id"), [(1, b"topic-id-number2"), (9, b"topic-id-number2"), (1, b"topic-id-number1")]
)
async def test_totals_of_a_recreated_topic_or_of_a_restored_database_end_the_stream_and_its_revision(
    servers: Servers, gateway: Watched, events: int, topic_id: bytes
) -> None:
    counted(servers, 3)
    stream = gateway.watch.WatchMetrics(pb.WatchMetricsRequest(interval_ms=200))
    revision = (await next_summary(stream)).revision
    counted(servers, events, topic_id)
    last = await next_summary(stream)
    assert (last.ended.code, "resume" in last.ended.message) == (14, True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.watch.WatchMetrics(pb.WatchMetricsRequest(after_revision=revision)).read()
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "watch again without it" in str(caught.value.details())
    again = gateway.watch.WatchMetrics(pb.WatchMetricsRequest(interval_ms=200))
    assert (await next_summary(again)).summary.orders_total == events
    again.cancel()


async def test_a_stream_ends_with_a_message_when_analytics_is_unavailable(servers: Servers, gateway: Watched) -> None:
    stream = gateway.watch.WatchMetrics(pb.WatchMetricsRequest(interval_ms=200))
    await next_summary(stream)
    await servers.analytics.stop(None)
    last = await next_summary(stream)
    assert (last.ended.code, last.ended.message) == (14, "analytics is unavailable")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.WatchMetricsRequest(after_revision="nonsense"), "after_revision"),
        (pb.WatchMetricsRequest(interval_ms=199), "interval_ms"),
        (pb.WatchMetricsRequest(heartbeat_ms=60_001), "heartbeat_ms"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(gateway: Watched, request_: pb.WatchMetricsRequest, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.watch.WatchMetrics(request_).read()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in caught.value.details()


def test_positions_of_partitions_without_events_are_0() -> None:
    positions = [
        PartitionPosition(topic="stock", partition=2, next_offset=7),
        PartitionPosition(topic="x", next_offset=1),
    ]
    assert next_offsets(positions, "stock") == [0, 0, 7]
    assert next_offsets(positions, "order-events") == []


def test_totals_are_newer_when_any_partition_advanced() -> None:
    before = MetricsRevision(order_offsets=[3, 4])
    assert not is_newer(MetricsRevision(order_offsets=[3, 4]), before)
    assert is_newer(MetricsRevision(order_offsets=[3, 4, 1]), before)
    assert is_newer(MetricsRevision(order_offsets=[3, 4], stock_offsets=[1]), before)
