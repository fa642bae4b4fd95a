"""The analytics server: AnalyticsService, and the ledger for the reconciliation, over the analytics database."""

from __future__ import annotations

import grpc
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.internal.v1 import ledger_pb2_grpc, process_pb2_grpc

from processor.query.analytics_ledger_service import AnalyticsLedgerService
from processor.query.analytics_service import AnalyticsService, Pool
from processor.settings import ServeSettings
from runtime.exit_codes import ExitCode
from runtime.grpc import server
from runtime.postgres import connections
from runtime.process.process_service import SyncProcessService
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging, metrics_endpoint
from runtime.tokens.opaque_token import OpaqueTokens

SERVICE = "analytics"
SERVICES = ("ordermesh.analytics.v1.AnalyticsService", "ordermesh.internal.v1.AnalyticsLedgerService")


def main() -> int:
    """Serve until SIGTERM or SIGINT; without a database the server starts, and calls fail."""
    settings = ServeSettings.load()
    logging.configure(SERVICE, settings)
    stop = on_signal()
    tokens = OpaqueTokens(settings.token_keys)
    dsn, threads = settings.analytics_dsn.get_secret_value(), settings.analytics_threads
    try:
        metrics_server = metrics_endpoint.serve(settings.metrics_address)
        with connections.sync_pool(dsn, "ordermesh-analytics", threads, settings.postgres_pooler) as pool:
            server.serve_sync(
                settings.analytics_listen,
                SERVICES,
                lambda server: register(server, pool, tokens, SyncProcessService(pool, dsn, stop)),
                stop,
                threads,
                settings.auth,
                settings.service_tls,
            )
        metrics_server.shutdown()
    except OSError as error:
        logging.logger().error("start failed", error=str(error))
        return ExitCode.START_FAILED
    return ExitCode.OK


def register(server: grpc.Server, pool: Pool, tokens: OpaqueTokens, process: SyncProcessService) -> None:
    """Add the services to a server."""
    analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(AnalyticsService(pool, tokens), server)
    ledger_pb2_grpc.add_AnalyticsLedgerServiceServicer_to_server(AnalyticsLedgerService(pool), server)
    process_pb2_grpc.add_ProcessServiceServicer_to_server(process, server)
