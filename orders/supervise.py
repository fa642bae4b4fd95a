"""The supervisor of the serving processes of the orders service."""

from __future__ import annotations

from orders.settings import ServeSettings
from runtime.process.process_supervisor import ProcessSupervisor
from runtime.telemetry import logging
from runtime.telemetry.logging import logger

FAILURES = (OSError, ValueError)


def main() -> None:
    """Run the serving processes until SIGTERM or SIGINT."""
    settings = ServeSettings.load()
    logging.configure("orders", settings)
    logger().info("orders started", settings=settings.shown())
    ProcessSupervisor(
        ("orders.serve",),
        settings.orders_processes,
        metrics_address=settings.metrics_address,
    ).run()
