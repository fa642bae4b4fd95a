"""Names and addresses in the cluster's own network."""

from __future__ import annotations

NODES = (1, 2)
OUTSIDE_ADDRESS = "10.99.0.254"
API_SERVICE_ADDRESS = "10.96.0.1"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"


def name(node: int) -> str:
    """Return the name of a node."""
    return f"node-{node}"


def address(node: int) -> str:
    """Return the address of a node."""
    return f"10.99.0.{node}"


def pods(node: int) -> str:
    """Return the addresses of a node's pods."""
    return f"10.244.{node}.0/24"


API_URL = f"https://{address(1)}:6443"
