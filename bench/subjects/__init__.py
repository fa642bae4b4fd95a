"""The subjects of measurements: pipelines behind a port, their servers, and the cost of their processes."""
