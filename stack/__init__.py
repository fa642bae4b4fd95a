"""The local stack: servers and services on one machine, supervised by one process."""
