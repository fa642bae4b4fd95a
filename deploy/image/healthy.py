"""Says whether the service of this container is well: exit code 0 or 1."""

from __future__ import annotations

import os
import sys

from stack.machine.http_probe import http_answers
from stack.machine.ports import LOOPBACK
from stack.supervision.health_checks import target_serves

LISTENERS = ("ORDERMESH_ORDERS_LISTEN", "ORDERMESH_ANALYTICS_LISTEN", "ORDERMESH_GATEWAY_LISTEN")
METRICS = "ORDERMESH_METRICS_ADDRESS"
TIMEOUT_SECONDS = 3.0


def port(address: str) -> int:
    """Return the port of host:port."""
    return int(address.rpartition(":")[2])


def target(address: str) -> str:
    """Return the gRPC target of this container's first process that listens at an address."""
    address = address.replace("{index}", "0")
    return address if address.startswith("unix:") else f"{LOOPBACK}:{port(address)}"


def well(name: str, address: str) -> bool:
    """Ask the gRPC server at an address, or for the metrics, which a program without one has too."""
    if name == METRICS:
        return http_answers(port(address), "/metrics", TIMEOUT_SECONDS)
    return target_serves(target(address), TIMEOUT_SECONDS)


def main() -> int:
    """Check what the settings say this container is, and name what gives no good answer."""
    for name in (*LISTENERS, METRICS):
        if address := os.environ.get(name):
            break
    else:
        print(f"healthy: set {METRICS}, or the address that the service listens on", file=sys.stderr)
        return 1
    if well(name, address):
        return 0
    print(f"healthy: no good answer at {name}={address}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
