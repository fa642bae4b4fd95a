"""The orders database: its queries, rows, clock, idempotency keys, and upkeep."""
