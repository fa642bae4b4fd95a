"""Proves that each acknowledged order is stored and counted once."""
