"""Measures the platform: peaks, latencies, stages and levers, always beside a bare pipeline of the same run."""
