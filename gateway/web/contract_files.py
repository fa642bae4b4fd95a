"""The public contracts at run time: their descriptors, service names and documents."""

from __future__ import annotations

from pathlib import Path

import ordermesh
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2

GENERATED = Path(next(iter(ordermesh.__path__)))
DESCRIPTORS = GENERATED / "descriptor.binpb"
OPENAPI = GENERATED / "openapi.json"

ORDERS = ("ordermesh.orders.v1.OrderService", "ordermesh.orders.v1.InventoryService")
ANALYTICS = ("ordermesh.analytics.v1.AnalyticsService",)
GATEWAY = (
    "ordermesh.gateway.v1.PipelineService",
    "ordermesh.gateway.v1.WatchService",
    "ordermesh.gateway.v1.DeadLetterService",
    "ordermesh.gateway.v1.OrderTimelineService",
)
HEALTH = "grpc.health.v1.Health"


def descriptor_pool() -> DescriptorPool:
    """Return the descriptors of the public contracts, and of the health service."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    pool.AddSerializedFile(health_pb2.DESCRIPTOR.serialized_pb)
    return pool
