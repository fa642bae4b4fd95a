"""Tells clients what can be called: reflection v1 and v1alpha over the public contracts only."""

from __future__ import annotations

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from gateway import public

# The messages of v1 are those of v1alpha under another name, the same on the wire.
NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def register(server: grpc.aio.Server) -> None:
    """Add both versions to a server."""
    services = [*public.ORDERS, *public.ANALYTICS, *public.GATEWAY, public.HEALTH, *NAMES]
    servicer = reflection.aio.ReflectionServicer(services, pool=public.descriptor_pool())
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    generic = grpc.method_handlers_generic_handler(NAMES[0], {"ServerReflectionInfo": handler})
    server.add_generic_rpc_handlers((generic,))
