"""Reconciliation: compares what was published with what was counted."""
