"""Waits for the schema of the analytics database, and exits."""

from __future__ import annotations

from processor.settings import DatabaseSettings
from runtime.exit_codes import ExitCode
from runtime.postgres import schema
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging


def main() -> int:
    """Wait until the migrations of this version were applied; return the exit code."""
    settings = DatabaseSettings.load()
    logging.configure("processor-schema", settings)
    dsn = settings.analytics_dsn.get_secret_value()
    try:
        schema.wait_for_schema(dsn, "processor.migrations", settings.postgres_pooler, on_signal())
    except InterruptedError as error:
        logging.logger().error("start failed", error=error)
        return ExitCode.START_FAILED
    return ExitCode.OK
