"""The gateway's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from runtime.addresses import Address, PortAddress
from runtime.authentication import AuthenticationSettings
from runtime.grpc.token_settings import TokenSettings
from runtime.kafka.settings import KafkaSettings


def split_targets(value: object) -> object:
    """Split a comma-separated list of gRPC targets."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class GatewaySettings(KafkaSettings, AuthenticationSettings, TokenSettings):
    """The addresses of the gateway and of the services that it calls."""

    metrics_address: PortAddress = Field(default="127.0.0.1:9105", description="Where /metrics is served.")
    gateway_listen: Address = Field(
        default="unix:/run/ordermesh/gateway.sock", description="gRPC: unix:/path or host:port."
    )
    gateway_http_listen: Address = Field(
        default="unix:/run/ordermesh/gateway-http.sock", description="HTTP for the pages: unix:/path or host:port."
    )
    orders_targets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_targets)] = Field(
        default=("unix:/run/ordermesh/orders-0.sock", "unix:/run/ordermesh/orders-1.sock"),
        min_length=1,
        description="gRPC targets of the processes of the orders service, separated by commas.",
    )
    analytics_target: str = Field(
        default="unix:/run/ordermesh/analytics.sock", description="gRPC target of the analytics service."
    )
    gateway_max_watchers: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Concurrent streams of WatchService; each stream of orders has its own Kafka consumer.",
    )
    processor_group: str = Field(default="ordermesh-metrics", description="Consumer group of the processor.")
