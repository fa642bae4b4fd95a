"""Waits for the schema of the orders database, and exits."""

from __future__ import annotations

from orders.settings import DatabaseSettings
from runtime.postgres import schema
from runtime.process.shutdown import on_signal
from runtime.telemetry import logging

FAILURES = (OSError, ValueError)


def main() -> None:
    """Wait until the migrations of this version were applied."""
    settings = DatabaseSettings.load()
    logging.configure("orders-schema", settings)
    dsn = settings.orders_dsn.get_secret_value()
    schema.wait_for_schema(dsn, "orders.migrations", settings.postgres_pooler, on_signal())
