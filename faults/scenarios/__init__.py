"""The scenarios of the table of faults."""
