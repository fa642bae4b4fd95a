"""Migrates the schema of the orders database, and exits."""

from __future__ import annotations

import psycopg

from orders.settings import DatabaseSettings
from runtime.postgres import connections
from runtime.telemetry import logging
from runtime.telemetry.logging import logger

FAILURES = (OSError, ValueError, psycopg.Error)


def main() -> None:
    """Apply the migrations that were not applied yet."""
    settings = DatabaseSettings.load()
    logging.configure("orders-migrate", settings)
    dsn = settings.orders_dsn.get_secret_value()
    applied = connections.migrate(dsn, "orders.migrations", settings.postgres_pooler)
    logger().info("orders database migrated", migrations=applied)
