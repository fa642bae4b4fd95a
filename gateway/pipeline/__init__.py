"""PipelineService: the state of every component, the pipeline's rates, and the reconciliation."""
