"""OrderService.CreateOrder, one order a call."""

from collections.abc import Sequence

import grpc
from ordermesh.orders.v1 import orders_pb2

from loadgen.options import Target
from loadgen.transports.answers import ACCEPTED, BAD_REPLY, Answer, classify_call
from loadgen.transports.channels import Channels
from loadgen.workload import PlannedOrder

METHOD = "/ordermesh.orders.v1.OrderService/CreateOrder"


class UnaryTransport:
    """Creates orders over gRPC, spread over a few connections."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        self._channels = Channels(target.channel_address)
        self._metadata = target.metadata
        self._calls = self._channels.rotate(METHOD, orders_pb2.Order.FromString)
        self._timeout_seconds = timeout_seconds

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        """Send one order."""
        try:
            order: orders_pb2.Order = await next(self._calls)(
                orders[0].payload, timeout=self._timeout_seconds, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            return [classify_call(error)]
        orders[0].order_id = order.order_id
        return [ACCEPTED if order.order_id else BAD_REPLY]

    async def close(self) -> None:
        """Close all connections."""
        await self._channels.close()
