"""Telemetry: logs, metrics and trace context."""
