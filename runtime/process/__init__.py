"""One process of a service: its signals, its background work, its heartbeat, its children."""
