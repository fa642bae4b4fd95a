"""Repair of the analytics database: takes events out of what is counted, and makes the metrics what the ledgers say."""
