"""Counts the events of the log into the analytics tables, each exactly once, and answers questions about them."""
