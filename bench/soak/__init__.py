"""The soak test: a real stack whose clock is moved from midnight to midnight under load."""
