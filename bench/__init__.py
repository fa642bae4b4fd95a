"""Benchmarks: peaks, latencies, stages and levers, compared with a bare pipeline in the same run."""
