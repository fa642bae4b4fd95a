"""Commands about a running platform: load, verification, outbox, dead letters."""
