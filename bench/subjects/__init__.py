"""What is measured: a pipeline behind a port, its servers, and the cost of its processes."""
