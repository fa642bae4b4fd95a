"""Counting: from a batch to the analytics tables, each event once, in one transaction."""
