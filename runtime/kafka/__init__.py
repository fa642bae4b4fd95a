"""Kafka: clients, topics, users, offsets, delivery."""
