"""Serves gRPC reflection v1 and v1alpha for the public contracts only."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from gateway.web import contract_files
from runtime.grpc.call_ends import decoded
from runtime.identity.client_key import client_key
from runtime.identity.shares import Shares

# The messages of v1 and v1alpha differ only in their names.
NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


class PublicReflection(reflection.aio.ReflectionServicer):
    """Finds methods by name too, which the library does not."""

    def __init__(self, places: Shares) -> None:
        self._places = places
        pool = contract_files.descriptor_pool()
        services = [*contract_files.ORDERS, *contract_files.ANALYTICS, *contract_files.GATEWAY, contract_files.HEALTH]
        super().__init__([*services, *NAMES], pool=pool)
        self._methods = {
            method.full_name: service for service in services for method in pool.FindServiceByName(service).methods
        }

    async def ServerReflectionInfo(  # type: ignore[override]  # the stub has a coroutine, the library a generator
        self, requests: AsyncIterable[reflection_pb2.ServerReflectionRequest], context: Any
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """Answer the requests of a stream, of which a client has as many as of watches."""
        read = (decoded(request) async for request in requests)
        with self._places.hold(client_key(context.invocation_metadata())):
            async for answer in super().ServerReflectionInfo(read, context):  # type: ignore[attr-defined]  # as above
                yield answer

    def _file_containing_symbol(
        self, request: reflection_pb2.ServerReflectionRequest, name: str
    ) -> reflection_pb2.ServerReflectionResponse:
        symbol = self._methods.get(name, name)
        found: reflection_pb2.ServerReflectionResponse
        found = super()._file_containing_symbol(request, symbol)  # type: ignore[misc]  # missing in the library's stub
        return found


def register(server: grpc.aio.Server, places: Shares) -> None:
    """Add both versions to a server."""
    servicer = PublicReflection(places)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    generic = grpc.method_handlers_generic_handler(NAMES[0], {"ServerReflectionInfo": handler})
    server.add_generic_rpc_handlers((generic,))
