"""The analytics server: AnalyticsService, the ledger for the reconciliation, and the dead letters of the processor."""

from __future__ import annotations

import grpc
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.internal.v1 import (
    dead_letter_source_pb2_grpc,
    ledger_pb2_grpc,
    process_pb2_grpc,
    timeline_source_pb2_grpc,
)

from processor.dead_letters.readings import DEAD_LETTERS
from processor.ledger.analytics_ledger_service import AnalyticsLedgerService
from processor.query.analytics_service import AnalyticsService, Pool
from processor.query.counted_event_service import CountedEventService
from processor.query.dead_letter_source_service import DeadLetterSourceService, PausedPartitionService
from processor.query.freshness import LogSamples, sample_log
from processor.query.revisions import RevisionWaits
from processor.settings import ServeSettings
from runtime.exit_codes import ExitCode
from runtime.grpc import server
from runtime.kafka.settings import GroupSettings
from runtime.postgres import connections
from runtime.postgres.readings import SERVER, TABLES, DatabaseReader
from runtime.process.background import BackgroundEnded, BackgroundThreads
from runtime.process.heartbeat import HEARTBEAT
from runtime.process.process_service import SyncProcessService
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics
from runtime.telemetry.metrics import endpoint, servers
from runtime.telemetry.metrics.component_metric import Component
from runtime.telemetry.tracing.tracer import TRACER
from runtime.tokens.opaque_token import OpaqueTokens

SERVICE = DATABASE = "analytics"
COMPONENTS: tuple[Component, ...] = ("analytics", "database")
# Of the threads, one in so many may wait for revisions.
WAITING_SHARE = 2
SERVICES = ("ordermesh.analytics.v1.AnalyticsService", "ordermesh.internal.v1.AnalyticsLedgerService")


def main() -> int:
    """Serve until SIGTERM or SIGINT; without a database the server starts, and calls fail."""
    settings = ServeSettings.load()
    logging.configure(SERVICE, settings)
    stop = on_signal()
    tokens = OpaqueTokens(settings.token_keys)
    dsn, threads = settings.analytics_dsn.get_secret_value(), settings.analytics_threads
    try:
        for component in COMPONENTS:
            metrics.create(component)
        metrics_server = endpoint.serve(settings.metrics_address, HEARTBEAT.health)
        samples, sampling = LogSamples(), BackgroundThreads(stop)
        sampling.start("log samples", lambda: sample_log(settings, samples, stop))
        DatabaseReader(dsn, DATABASE, settings.postgres_pooler, (DEAD_LETTERS, SERVER, TABLES)).start(stop)
        with (
            TRACER.started(SERVICE, settings),
            connections.sync_pool(dsn, "ordermesh-analytics", threads, settings.postgres_pooler) as pool,
        ):
            show_pool(pool)
            waits = RevisionWaits(pool, threads // WAITING_SHARE)
            analytics = AnalyticsService(pool, tokens, samples, waits)
            server.serve_sync(
                settings.analytics_listen,
                SERVICES,
                lambda server: register(server, pool, analytics, SyncProcessService(pool, dsn, stop), settings),
                stop,
                threads,
                settings.auth,
                settings.service_tls,
                settings.connection_seconds,
            )
        metrics_server.shutdown()
        sampling.check()
    except OSError as error:
        logging.logger().error("start failed", error=error)
        return ExitCode.START_FAILED
    except BackgroundEnded:
        return ExitCode.BACKGROUND_ENDED
    return ExitCode.OK


def show_pool(pool: Pool) -> None:
    """Have the metrics show the connections of the pool, as they are when they are asked for."""

    def statistic(name: str) -> int:
        return int(pool.get_stats()[name])

    servers.POOL_CONNECTIONS.labels(DATABASE, "idle").set_function(lambda: statistic("pool_available"))
    servers.POOL_CONNECTIONS.labels(DATABASE, "in_use").set_function(
        lambda: statistic("pool_size") - statistic("pool_available")
    )
    servers.POOL_WAITING.labels(DATABASE).set_function(lambda: statistic("requests_waiting"))


def register(
    server: grpc.Server, pool: Pool, analytics: AnalyticsService, process: SyncProcessService, settings: GroupSettings
) -> None:
    """Add the services to a server."""
    analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(analytics, server)
    ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedgerService(pool), server)
    dead_letters = DeadLetterSourceService(pool, settings)
    dead_letter_source_pb2_grpc.add_DeadLetterSourceServiceServicer_to_server(dead_letters, server)
    dead_letter_source_pb2_grpc.add_PausedPartitionServiceServicer_to_server(PausedPartitionService(pool), server)
    timeline_source_pb2_grpc.add_CountedEventServiceServicer_to_server(CountedEventService(pool), server)
    process_pb2_grpc.add_ProcessServiceServicer_to_server(process, server)
