"""Creates or upgrades the schema of the analytics database."""

from __future__ import annotations

import psycopg

from processor.settings import DatabaseSettings
from runtime.exit_codes import ExitCode
from runtime.postgres import connections
from runtime.telemetry import logging


def main() -> int:
    """Apply the missing migrations and return the exit code."""
    settings = DatabaseSettings.load()
    logging.configure("processor", settings)
    try:
        dsn = settings.analytics_dsn.get_secret_value()
        applied = connections.migrate(dsn, "processor.migrations", settings.postgres_pooler)
    except (psycopg.Error, ValueError) as error:
        logging.logger().error("migration failed", error=error)
        return ExitCode.START_FAILED
    logging.logger().info("schema is current", migrations=applied)
    return ExitCode.OK
