"""Asks a server whether it serves; every answer but a clear yes is no."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from stack.ports import LOOPBACK

PROBE_SECONDS = 1.0
# A channel of its own for each probe: a shared one would wait out the back-off of the attempts before.
CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


def accepts(path: Path) -> bool:
    """Say whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PROBE_SECONDS)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def grpc_serves(path: Path) -> bool:
    """Say whether the gRPC server on a Unix socket is SERVING."""
    return accepts(path) and target_serves(f"unix:{path}")


def target_serves(target: str, timeout_seconds: float = PROBE_SECONDS) -> bool:
    """Say whether the gRPC server at a target is SERVING."""
    with grpc.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        try:
            reply = check(channel)(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def check(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
    """Return the Check call of a server's health service."""
    return channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )


def http_answers(port: int, path: str, timeout_seconds: float = PROBE_SECONDS) -> bool:
    """Say whether GET path on a loopback port answers 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
