"""The gateway's settings."""

from __future__ import annotations

import math
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from runtime.addresses import Address, PortAddress
from runtime.authentication import AuthenticationSettings
from runtime.grpc.connection_age import ConnectionAgeSettings
from runtime.grpc.service_tls import ServiceTlsSettings
from runtime.kafka.settings import GroupSettings
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.tokens.token_settings import TokenSettings
from runtime.word_lists import Words

STREAM_SECONDS = 900.0
# Stands for the id in the address of a trace.
TRACE_ID = "{trace_id}"


class GatewaySettings(
    ServiceTlsSettings, ConnectionAgeSettings, GroupSettings, AuthenticationSettings, TokenSettings, TracingSettings
):
    """The addresses of the gateway and of the services that it calls."""

    listens: ClassVar[tuple[str, ...]] = ("gateway_listen",)

    metrics_address: PortAddress = Field(default="127.0.0.1:9105", description="Where /metrics is served.")
    gateway_listen: Address = Field(
        default="unix:/run/ordermesh/gateway.sock", description="gRPC: unix:/path or host:port."
    )
    gateway_http_listen: Address = Field(
        default="unix:/run/ordermesh/gateway-http.sock", description="HTTP for the pages: unix:/path or host:port."
    )
    orders_targets: Words = Field(
        default=("unix:/run/ordermesh/orders-0.sock", "unix:/run/ordermesh/orders-1.sock"),
        min_length=1,
        description="gRPC targets of the processes of the orders service, separated by commas.",
    )
    analytics_target: str = Field(
        default="unix:/run/ordermesh/analytics.sock", description="gRPC target of the analytics service."
    )
    gateway_sessions: str = Field(
        default="",
        description="Unix socket on which the stack makes sessions of the dashboard, and counts revoked keys.",
    )
    gateway_swagger_ui_jar: str = Field(
        default="", description="The jar of Swagger UI, which shows the API documentation at /docs; empty: none."
    )
    trace_url: str = Field(
        default="",
        description="Address of a trace in the store of traces, with {trace_id}, for links; empty: no links. Such as "
        "http://127.0.0.1:9411/zipkin/traces/{trace_id}.",
    )
    gateway_max_watchers: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Concurrent streams: watches of orders, each with its own Kafka consumer, of totals and of the "
        "status. A quarter is for clients without one. As many again of health and reflection, which are open to all.",
    )
    gateway_max_watchers_per_client: int = Field(
        default=16, ge=1, le=10_000, description="Concurrent streams of one client."
    )

    @field_validator("trace_url")
    @classmethod
    def names_a_trace(cls, url: str) -> str:
        """Reject what is no address of a page, or is the same for every trace."""
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or TRACE_ID not in url):
            raise ValueError(f"must be an http:// or https:// address with {TRACE_ID}")
        return url

    @property
    def stream_seconds(self) -> float:
        """How long a stream lasts at most: with a revoked key or an expired token, none goes on for longer."""
        return math.inf if self.auth == "off" else STREAM_SECONDS
