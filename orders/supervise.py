"""The service of serving processes: keeps as many running as the settings say."""

from __future__ import annotations

from orders.settings import ServeSettings
from runtime import logging
from runtime.logging import logger
from runtime.shutdown import DRAIN_GRACE_SECONDS, DRAIN_NOTICE_SECONDS
from runtime.supervise import Supervisor

FAILURES = (OSError, ValueError)
GRACE_SECONDS = DRAIN_NOTICE_SECONDS + DRAIN_GRACE_SECONDS + 2


def main() -> None:
    """Run the serving processes until SIGTERM or SIGINT."""
    settings = ServeSettings.load()
    logging.configure("orders", settings)
    logger().info("orders started", **settings.shown())
    Supervisor(
        ("orders.serve",),
        settings.orders_processes,
        metrics_address=settings.metrics_address,
        grace_seconds=GRACE_SECONDS,
    ).run()
