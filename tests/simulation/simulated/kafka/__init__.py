"""A simulated Kafka: logs, the consumer group, and clients."""
