"""Records as they are: headers, and batches that no client can read."""
