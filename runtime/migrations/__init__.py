"""What every database of the platform has, applied before its own migrations."""
