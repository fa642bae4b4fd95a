"""The components of a stack, their supervision and their status."""
