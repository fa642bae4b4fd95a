"""Runs the gateway: `python -m gateway`."""

from __future__ import annotations

import sys

import uvloop

from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.web import contract_files, pages
from runtime.exit_codes import ExitCode
from runtime.grpc import server
from runtime.process import shutdown
from runtime.process.background import BackgroundEnded, serve_with_tasks
from runtime.process.heartbeat import HEARTBEAT
from runtime.telemetry import logging, metrics
from runtime.telemetry.metrics import endpoint
from runtime.telemetry.tracing.tracer import TRACER


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when an address cannot be bound, and BackgroundEnded."""
    stop = shutdown.on_signal_async()
    services = Services(settings, stop)
    metrics.create("gateway")
    metrics_server = endpoint.serve(settings.metrics_address, HEARTBEAT.health)
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
            services.register,
            stop,
            services.health,
            authentication=settings.auth,
            tls=settings.service_tls,
            # Reflection and health take requests without credentials.
            max_message_bytes=server.SMALL_MESSAGE_BYTES,
            connection_seconds=settings.connection_seconds,
        )
        await serve_with_tasks(services.tasks(), serving, stop)
    finally:
        await runner.cleanup()
        await services.close()
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
