"""PipelineService: the status of every part, and the reconciliation of orders with metrics."""
