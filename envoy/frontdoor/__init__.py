"""The front proxy's configuration: one source, rendered for one machine, for Docker Compose and for a cluster."""
