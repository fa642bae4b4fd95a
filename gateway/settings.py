"""The gateway's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from runtime.settings import Settings


def split_targets(value: object) -> object:
    """Split a comma-separated list of gRPC targets."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class GatewaySettings(Settings):
    """Where the gateway listens and whom it asks."""

    metrics_address: str = "127.0.0.1:9105"
    gateway_listen: str = "unix:/run/ordermesh/gateway.sock"
    gateway_http_listen: str = "unix:/run/ordermesh/gateway-http.sock"
    orders_targets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_targets), Field(min_length=1)] = (
        "unix:/run/ordermesh/orders-0.sock",
        "unix:/run/ordermesh/orders-1.sock",
    )
    analytics_target: str = "unix:/run/ordermesh/analytics.sock"
    processor_group: str = "ordermesh-metrics"
