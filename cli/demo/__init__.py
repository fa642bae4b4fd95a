"""`ordermesh demo`: the command, its load, and the chaos beside it."""
