"""Health check of a container: exit code 0 when its service is healthy, else 1."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import grpc

from stack.certificates.authority import hosts_of
from stack.machine.grpc_probe import target_serves
from stack.machine.http_probe import http_answers
from stack.machine.ports import LOOPBACK

# A container engine starts this every few seconds for each container: the settings, which would read these, cost five
# times the rest.
TLS = ("ORDERMESH_SERVICE_CA", "ORDERMESH_SERVICE_KEY", "ORDERMESH_SERVICE_CERTIFICATE")
LISTENERS = ("ORDERMESH_ORDERS_LISTEN", "ORDERMESH_ANALYTICS_LISTEN", "ORDERMESH_GATEWAY_LISTEN")
METRICS = "ORDERMESH_METRICS_ADDRESS"
TIMEOUT_SECONDS = 3.0


def port(address: str) -> int:
    """Return the port of host:port."""
    return int(address.rpartition(":")[2])


def target(address: str) -> str:
    """Return the gRPC target of the first process of this container with this listen address."""
    address = address.replace("{index}", "0")
    return address if address.startswith("unix:") else f"{LOOPBACK}:{port(address)}"


def is_healthy(name: str, address: str) -> bool:
    """Check the gRPC health at an address, or the metrics endpoint of a program without a gRPC server."""
    if name == METRICS:
        return http_answers(port(address), "/metrics", TIMEOUT_SECONDS)
    if TLS[0] not in os.environ or address.startswith("unix:"):
        return target_serves(target(address), TIMEOUT_SECONDS)
    authority, key, certificate = (Path(os.environ[name]).read_bytes() for name in TLS)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    return target_serves(target(address), TIMEOUT_SECONDS, credentials, hosts_of(certificate)[0])


def main() -> int:
    """Check the service that the settings of this container select."""
    for name in (*LISTENERS, METRICS):
        if address := os.environ.get(name):
            break
    else:
        print(f"healthy: {METRICS} or the listen address of the service is required", file=sys.stderr)
        return 1
    if is_healthy(name, address):
        return 0
    print(f"healthy: no healthy response at {name}={address}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
