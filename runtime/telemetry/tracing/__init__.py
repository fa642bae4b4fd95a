"""Spans of sampled traces, sent to an OpenTelemetry collector.

Whether a trace is sampled is decided in the front proxy; here the flag of its context is followed. Without an endpoint
nothing is created, and no call looks at the flag.
"""
