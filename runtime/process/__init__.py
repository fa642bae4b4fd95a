"""The processes of a service: signals and shutdown, background tasks, heartbeat, supervision of child processes."""
