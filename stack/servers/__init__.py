"""The servers that the services need: PostgreSQL, Kafka, Envoy."""
