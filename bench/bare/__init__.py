"""The bare pipeline, the reference of every run: the same servers and engines with the minimum of work."""
