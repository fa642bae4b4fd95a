"""The suites of a benchmark, each of which adds its measurements to the result."""
