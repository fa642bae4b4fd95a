"""The soak: a real stack whose clock is moved from midnight to midnight under load, and what it holds then."""
