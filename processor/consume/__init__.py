"""Consuming: reading the event topics as a group member, paused partitions, and poison pills."""
