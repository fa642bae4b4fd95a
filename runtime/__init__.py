"""What every process needs to run; it knows no service."""
