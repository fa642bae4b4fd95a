"""Kafka: clients, topics, offsets, delivery, headers, and batches that cannot be read."""
