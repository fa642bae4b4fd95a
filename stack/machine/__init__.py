"""Ports, folders and HTTP probes of this machine."""
