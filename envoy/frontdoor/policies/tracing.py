"""Which traces are sampled, and where the spans of the front proxy are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.telemetry.tracing.settings import OtlpEndpoint, TracingSettings


@dataclass(frozen=True, slots=True)
class Tracing:
    """The share of sampled traces, of those that no client started, from 0 to 1; spans go to the endpoint, if any."""

    sampled_share: float = 0.01
    endpoint: OtlpEndpoint | None = None
    service_name: str = "envoy"
    resource: Mapping[str, str] = field(default_factory=dict)


def tracing_of(settings: TracingSettings) -> Tracing:
    """Return how the front proxy traces, from the settings."""
    return Tracing(settings.sampled_share, settings.otlp, settings.service_name or "envoy", settings.resource)
