"""Backends: the services and the Kafka log that the gateway reads from."""
