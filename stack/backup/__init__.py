"""Backups of the local PostgreSQL: base backups, the archive of its write-ahead log, and recovery from both."""
