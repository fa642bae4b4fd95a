"""What all tests share."""

import os

# For the tests' own connections to PostgreSQL; without it libpq waits for two minutes.
os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
