"""The output of a run: progress, summary and the result file."""
