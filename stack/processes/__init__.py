"""Processes: their start and stop, their logs, accounts and identity."""
