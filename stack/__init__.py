"""Starts the real servers and the services on one machine."""
