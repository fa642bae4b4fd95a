"""Events: decoding a record, a batch of records, and the positions of partitions. Pure."""
