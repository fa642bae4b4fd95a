"""Says whether the service of this container is well: exit code 0 or 1."""

from __future__ import annotations

import os
import sys
import urllib.request
from typing import Any

LISTENERS = ("ORDERMESH_ORDERS_LISTEN", "ORDERMESH_ANALYTICS_LISTEN", "ORDERMESH_GATEWAY_LISTEN")
TIMEOUT_SECONDS = 3.0


def target(address: str) -> str:
    """Return the gRPC target of this container's first process that listens at an address."""
    address = address.replace("{index}", "0")
    return address if address.startswith("unix:") else f"127.0.0.1:{address.rpartition(':')[2]}"


def serves(address: str) -> bool:
    """Ask the gRPC health service."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(target(address), options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def measures(address: str) -> bool:
    """Ask for the metrics, which a program without a gRPC server has too."""
    url = f"http://127.0.0.1:{address.rpartition(':')[2]}/metrics"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT_SECONDS) as reply:
        return bool(reply.status == 200)


def main() -> int:
    """Check what the settings say this container is."""
    listeners = [os.environ[name] for name in LISTENERS if os.environ.get(name)]
    try:
        well = serves(listeners[0]) if listeners else measures(os.environ["ORDERMESH_METRICS_ADDRESS"])
    except KeyError:
        print("healthy: set ORDERMESH_METRICS_ADDRESS, or the address that the service listens on", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"healthy: {error}", file=sys.stderr)
        return 1
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
