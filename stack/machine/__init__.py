"""This machine: its ports, folders, and what is missing on it."""
