"""Commands about Kafka's topics."""
