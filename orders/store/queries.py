"""The SQL queries of the orders service, by name."""

from runtime.postgres.queries import Queries

QUERIES = Queries("orders.store", "queries.sql")
OUTBOX = Queries("orders.outbox", "outbox.sql")
LEDGER = Queries("orders.store", "ledger.sql")
REPAIR = Queries("orders.repair", "repair.sql")
