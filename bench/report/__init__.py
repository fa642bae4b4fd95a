"""The result of a run: its file, goals, summary, charts, and the comparison with the baseline."""
