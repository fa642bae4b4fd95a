"""The processor: counts the events of the log into the analytics tables, each exactly once, and serves the metrics."""
