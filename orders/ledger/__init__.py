"""The audit of the ledgers against the rows of orders and events."""
