"""The job `maintain_event_partitions`: makes partitions of processed_events ahead, drops those past the retention."""

from __future__ import annotations

import threading

import psycopg

from processor import crashes, store
from processor.settings import WorkSettings
from runtime.logging import logger

PERIOD_SECONDS = 3600.0
RETRY_SECONDS = 60.0
DAYS_AHEAD = 3


def run(settings: WorkSettings, stop: threading.Event) -> None:
    """Run the job again and again, sooner after a failure."""
    wait_seconds = 0.0
    while not stop.wait(wait_seconds):
        try:
            run_once(settings)
            wait_seconds = PERIOD_SECONDS
        except psycopg.Error as error:
            logger().warning("partitions were not maintained, trying again", error=str(error).strip())
            wait_seconds = RETRY_SECONDS


def run_once(settings: WorkSettings) -> tuple[int, int]:
    """Do the job; return how many partitions were made and dropped. Raises psycopg.Error."""
    with store.connect(settings.analytics_dsn.get_secret_value(), settings.postgres_pooler) as connection:
        made, dropped = store.maintain(connection, DAYS_AHEAD, settings.processor_retention_days)
        crashes.forget(connection, settings.processor_retention_days)
    if made or dropped:
        logger().info("partitions maintained", made=made, dropped=dropped)
    return made, dropped
