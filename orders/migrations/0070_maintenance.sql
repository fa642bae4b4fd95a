-- Replaced by maintain_partition; it ran with its owner's rights and had no limits.

DROP FUNCTION maintain_outbox;
