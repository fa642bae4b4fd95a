"""gRPC probes of servers: any error counts as no answer. It imports little: a container starts it again and again."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from stack.machine.http_probe import PROBE_SECONDS

# A channel of its own for each probe: a shared one would wait for the backoff of earlier attempts.
CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


def target_serves(
    target: str,
    timeout_seconds: float = PROBE_SECONDS,
    credentials: grpc.ChannelCredentials | None = None,
    name: str = "",
) -> bool:
    """Return whether the gRPC server at a target is SERVING; with credentials over TLS, as the host of that name."""
    options = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", name))
    with (
        grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        if credentials is None
        else grpc.secure_channel(target, credentials, options=options)
    ) as channel:
        try:
            reply = health_call(channel)(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def health_call(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
    """Return the method Check of the server's health service."""
    return channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
