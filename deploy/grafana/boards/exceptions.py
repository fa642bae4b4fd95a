"""Metrics that no board shows, each with the reason."""

from __future__ import annotations

EXCEPTIONS: dict[str, str] = {}
