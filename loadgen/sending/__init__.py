"""Sends orders on a schedule that does not depend on the answers."""
