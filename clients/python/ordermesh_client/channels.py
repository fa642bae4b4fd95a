"""The gRPC channels of the clients, and their options."""

from __future__ import annotations

import grpc

DEFAULT_TARGET = "127.0.0.1:8080"
DEFAULT_TIMEOUT_SECONDS = 10.0
# A page of 1,000 orders with many items is larger than gRPC's default of 4 MB.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    # Reconnects soon after the front proxy is back: gRPC's default backoff grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Detects a dead connection while a stream waits for messages.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.primary_user_agent", "ordermesh-client"),
)


def bearer(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata that carries a key or a token."""
    return () if api_key is None else (("authorization", f"Bearer {api_key}"),)


def open_sync(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    """Return a channel; without credentials it is plain text."""
    if credentials is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, credentials, options=OPTIONS)


def open_async(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Return a channel of the running event loop; without credentials it is plain text."""
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, credentials, options=OPTIONS)
