"""Queries: AnalyticsService, and the ledger for the reconciliation, over the analytics database."""
