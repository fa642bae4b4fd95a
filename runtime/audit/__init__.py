"""The audit log: what operators changed."""
