"""The queries of orders, by name."""

from runtime.sql import Queries

QUERIES = Queries("orders", "queries.sql")
OUTBOX = Queries("orders", "outbox.sql")
LEDGER = Queries("orders", "ledger.sql")
