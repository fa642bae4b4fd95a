"""Kafka as every process uses it: clients, topics, delivery, and records that cannot be read."""
