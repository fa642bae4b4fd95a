"""Sends orders on a schedule, whatever the answers do."""
