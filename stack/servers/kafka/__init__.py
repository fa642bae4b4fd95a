"""The local Apache Kafka: its brokers and their cluster, its users, its jars."""
