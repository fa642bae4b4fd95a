"""What holds for every client: limits, TLS, and how callers are authenticated."""
