"""What the analytics database answers: AnalyticsService, and the ledger for the reconciliation."""
