"""The services of the gateway and its background tasks, with the clients that they share."""

from __future__ import annotations

import asyncio

import grpc
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
from gateway.web import contract_files, reflection
from gateway.web.health import GatewayHealth
from runtime.identity.shares import Shares
from runtime.process import heartbeat
from runtime.process.background import Work
from runtime.telemetry.metrics.event_loop_delay import measure_delay
from runtime.tokens.opaque_token import OpaqueTokens

# How long the reconciliation of every minute waits for the processor: what is counted later is in flight.
COUNTED_SECONDS = 10.0


class Services:
    """Made by the settings; `close` ends the clients. Streams end when `stop` is set."""

    def __init__(self, settings: GatewaySettings, stop: asyncio.Event) -> None:
        self._stop = stop
        self._connect(settings)
        watchers = settings.gateway_max_watchers, settings.gateway_max_watchers_per_client
        # Health and reflection need no credentials: who has none takes no place of a caller.
        places, self._open_places = Shares(*watchers), Shares(*watchers)
        backends: dict[str, Backend] = dict.fromkeys(contract_files.ORDERS, self._orders)
        backends |= dict.fromkeys(contract_files.ANALYTICS, self._analytics)
        self.health = GatewayHealth(backends, self._open_places, stop)
        self._closed_minutes = PeriodicReconciliation(
            lambda: Reconciliation(self._orders, self._analytics, self._log, COUNTED_SECONDS, closed_minutes=True).run()
        )
        self._sampler = Sampler(
            self._orders,
            self._analytics,
            self._log,
            envoy_seen_seconds=self.health.envoy_seen_seconds,
            reconciled=self._closed_minutes.state,
        )
        tokens = OpaqueTokens(settings.token_keys)
        self._credentials = StreamCredentials(settings.gateway_sessions, settings.stream_seconds)
        self._timeline = OrderTimelineService(self._timeline_sources, settings.trace_url)
        self._dead_letters = DeadLetterService(self._dead_letter_sources, self._paused, tokens)
        self._pipeline = PipelineService(
            self._sampler, self._orders, self._analytics, self._log, places, stop, self._credentials
        )
        self._watching = WatchService(self._order_topic, self._totals, tokens, places, stop, self._credentials)

    def _connect(self, settings: GatewaySettings) -> None:
        """Make the clients; they connect when they are used."""
        orders, analytics, tls = settings.orders_targets, [settings.analytics_target], settings.service_tls
        self._orders = OrdersBackend(orders, tls)
        self._analytics = AnalyticsBackend(analytics, tls)
        self._log = EventLog(settings, settings.processor_group)
        self._order_topic = OrderTopic(settings)
        self._totals = TotalsSource(self._analytics, settings.analytics_target, tls)
        self._dead_letter_sources = (
            DeadLetterSource(DeadLetter.OUTBOX, "orders", orders, tls),
            DeadLetterSource(DeadLetter.PROCESSOR, "analytics", analytics, tls),
        )
        self._paused = PausedPartitions(analytics, tls)
        self._timeline_sources = TimelineSources(orders, analytics, tls)

    def register(self, server: grpc.aio.Server) -> None:
        """Add the services to a server."""
        pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(self._pipeline, server)
        watch_pb2_grpc.add_WatchServiceServicer_to_server(self._watching, server)
        dead_letters_pb2_grpc.add_DeadLetterServiceServicer_to_server(self._dead_letters, server)
        timeline_pb2_grpc.add_OrderTimelineServiceServicer_to_server(self._timeline, server)
        reflection.register(server, self._open_places)

    def tasks(self) -> dict[str, Work]:
        """Return the background tasks, by name."""
        return {
            "sampler": self._sampler.run(self._stop),
            "event loop delay": measure_delay(),
            "heartbeat": heartbeat.beat(self._stop),
            "credentials": self._credentials.run(self._stop),
            "reconciliation": self._closed_minutes.run(self._stop),
        }

    async def close(self) -> None:
        """Close the clients."""
        self._pipeline.close()
        await self._orders.close()
        await self._analytics.close()
        for client in (*self._dead_letter_sources, self._paused, self._timeline_sources):
            await client.close()
        await self._totals.close()
        self._log.close()
        self._order_topic.close()
