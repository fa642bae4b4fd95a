"""Which services and methods the front door shows, read from the descriptor set of the contracts."""

from __future__ import annotations

import base64
import functools
from importlib import resources

from google.protobuf.descriptor_pb2 import FileDescriptorSet, ServiceDescriptorProto

ORDERS = "ordermesh.orders.v1.OrderService"
INVENTORY = "ordermesh.orders.v1.InventoryService"
ANALYTICS = "ordermesh.analytics.v1.AnalyticsService"
PIPELINE = "ordermesh.gateway.v1.PipelineService"
WATCH = "ordermesh.gateway.v1.WatchService"
# The methods that the orders processes also serve on their fast lane, where there is one.
LANE_METHODS = ("CreateOrder", "BatchCreateOrders", "GetOrder", "ListOrders")
PUBLIC_SERVICES = (ORDERS, INVENTORY, ANALYTICS, PIPELINE, WATCH)


@functools.cache
def descriptor_set() -> bytes:
    """Return the descriptor set of the public contracts, as Envoy reads it."""
    return resources.files("ordermesh").joinpath("descriptor.binpb").read_bytes()


def descriptor_base64() -> str:
    """Return the descriptor set as configuration text."""
    return base64.b64encode(descriptor_set()).decode()


def public_methods() -> dict[str, list[str]]:
    """Return the names of the methods of each public service."""
    return {name: [method.name for method in service(name).method] for name in PUBLIC_SERVICES}


def service(full_name: str) -> ServiceDescriptorProto:
    """Return a service of the contracts; raise KeyError when they have none of that name."""
    package, _, name = full_name.rpartition(".")
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        for found in file.service:
            if file.package == package and found.name == name:
                return found
    raise KeyError(full_name)
