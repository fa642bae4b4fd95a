"""From the outbox to Kafka: the publisher, its notification, and what an operator does with refused events."""
