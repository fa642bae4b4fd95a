"""Runs the gateway: `python -m gateway`."""

from __future__ import annotations

import sys

import grpc
import uvloop
from ordermesh.gateway.v1 import dead_letters_pb2_grpc, pipeline_pb2_grpc, timeline_pb2_grpc, watch_pb2_grpc
from ordermesh.gateway.v1.dead_letters_pb2 import DeadLetter

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.dead_letter_source import DeadLetterSource, PausedPartitions
from gateway.backends.event_topics import EventLog
from gateway.backends.grpc_backend import Backend
from gateway.backends.orders import OrdersBackend
from gateway.backends.stream_credentials import StreamCredentials
from gateway.backends.timeline import TimelineSources
from gateway.dead_letters.dead_letter_service import DeadLetterService
from gateway.pipeline.pipeline_service import PipelineService
from gateway.pipeline.sampler import Sampler
from gateway.reconciliation.periodic import PeriodicReconciliation
from gateway.reconciliation.reconciliation import Reconciliation
from gateway.settings import GatewaySettings
from gateway.timeline.order_timeline_service import OrderTimelineService
from gateway.watch.metrics_stream import TotalsSource
from gateway.watch.order_topic import OrderTopic
from gateway.watch.watch_service import WatchService
from gateway.web import contract_files, pages, reflection
from gateway.web.health import GatewayHealth
from runtime.exit_codes import ExitCode
from runtime.grpc import server
from runtime.identity.shares import Shares
from runtime.process import shutdown
from runtime.process.background import BackgroundEnded, serve_with_tasks
from runtime.telemetry import logging, metrics
from runtime.telemetry.metrics import endpoint
from runtime.telemetry.metrics.event_loop_delay import measure_delay
from runtime.telemetry.tracing.tracer import TRACER
from runtime.tokens.opaque_token import OpaqueTokens

# How long the reconciliation of every minute waits for the processor: what is counted later is in flight.
COUNTED_SECONDS = 10.0


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when an address cannot be bound, and BackgroundEnded."""
    stop = shutdown.on_signal_async()
    orders = OrdersBackend(settings.orders_targets, settings.service_tls)
    analytics = AnalyticsBackend([settings.analytics_target], settings.service_tls)
    log = EventLog(settings, settings.processor_group)
    backends: dict[str, Backend] = dict.fromkeys(contract_files.ORDERS, orders) | dict.fromkeys(
        contract_files.ANALYTICS, analytics
    )
    places, open_places = (
        Shares(settings.gateway_max_watchers, settings.gateway_max_watchers_per_client) for _ in range(2)
    )
    # Health and reflection need no credentials: who has none takes no place of a caller.
    health = GatewayHealth(backends, open_places, stop)
    closed_minutes = PeriodicReconciliation(
        lambda: Reconciliation(orders, analytics, log, COUNTED_SECONDS, closed_minutes=True).run()
    )
    sampler = Sampler(
        orders, analytics, log, envoy_seen_seconds=health.envoy_seen_seconds, reconciled=closed_minutes.state
    )
    order_topic, totals = OrderTopic(settings), TotalsSource(analytics, settings.analytics_target, settings.service_tls)
    credentials = StreamCredentials(settings.gateway_sessions, settings.stream_seconds)
    tokens, tls = OpaqueTokens(settings.token_keys), settings.service_tls
    sources = (
        DeadLetterSource(DeadLetter.OUTBOX, "orders", settings.orders_targets, tls),
        DeadLetterSource(DeadLetter.PROCESSOR, "analytics", [settings.analytics_target], tls),
    )
    paused = PausedPartitions([settings.analytics_target], tls)
    timeline_sources = TimelineSources(settings.orders_targets, [settings.analytics_target], tls)
    timeline = OrderTimelineService(timeline_sources, settings.trace_url)
    dead_letters = DeadLetterService(sources, paused, tokens)
    pipeline = PipelineService(sampler, orders, analytics, log, places, stop, credentials)
    watching = WatchService(order_topic, totals, tokens, places, stop, credentials)

    def register(server: grpc.aio.Server) -> None:
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(pipeline, server)
        watch_pb2_grpc.add_WatchServiceServicer_to_server(watching, server)
        dead_letters_pb2_grpc.add_DeadLetterServiceServicer_to_server(dead_letters, server)
        timeline_pb2_grpc.add_OrderTimelineServiceServicer_to_server(timeline, server)
        reflection.register(server, open_places)

    metrics.create("gateway")
    metrics_server = endpoint.serve(settings.metrics_address)
    runner = await pages.serve(
        settings.gateway_http_listen,
        settings.gateway_sessions,
        settings.service_tls,
        settings.gateway_swagger_ui_jar,
    )
    try:
        serving = server.serve_async(
            settings.gateway_listen,
            contract_files.GATEWAY,
            register,
            stop,
            health,
            authentication=settings.auth,
            tls=settings.service_tls,
            # Reflection and health take requests without credentials.
            max_message_bytes=server.SMALL_MESSAGE_BYTES,
            connection_seconds=settings.connection_seconds,
        )
        tasks = {
            "sampler": sampler.run(stop),
            "event loop delay": measure_delay(),
            "credentials": credentials.run(stop),
            "reconciliation": closed_minutes.run(stop),
        }
        await serve_with_tasks(tasks, serving, stop)
    finally:
        await runner.cleanup()
        pipeline.close()
        await orders.close()
        await analytics.close()
        for client in (*sources, paused, timeline_sources):
            await client.close()
        await totals.close()
        log.close()
        order_topic.close()
        metrics_server.shutdown()


def main() -> None:
    """Read the settings and serve."""
    settings = GatewaySettings.load()
    logging.configure("gateway", settings)
    logging.logger().info("starting", settings=settings.shown())
    try:
        with TRACER.started("gateway", settings):
            uvloop.run(run(settings))
    except OSError as error:
        logging.logger().error("start failed", error=error)
        sys.exit(ExitCode.START_FAILED)
    except BackgroundEnded:
        sys.exit(ExitCode.BACKGROUND_ENDED)


if __name__ == "__main__":
    main()
