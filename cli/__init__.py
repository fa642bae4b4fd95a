"""The `ordermesh` command: the only part that may import everything."""
