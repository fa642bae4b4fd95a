"""The orders database: queries, rows, idempotency keys, maintenance."""
