-- Replaced by maintain_partition; they ran with their owner's rights and had no limits.

DROP FUNCTION maintain_event_partitions;
DROP FUNCTION make_event_partition, drop_event_partitions;
