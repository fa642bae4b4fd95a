"""From Kafka to a batch: a worker reads, decodes, and knows from which offset each partition goes on."""
