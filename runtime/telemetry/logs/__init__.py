"""How a log line is made: what it says of errors, customers and traces, its limits, and the levels of loggers."""
