"""OrderService.BatchCreateOrders, several orders a call."""

from collections.abc import Sequence

import grpc
from ordermesh.orders.v1 import orders_pb2

from loadgen.options import Target
from loadgen.transports.answers import ACCEPTED, BAD_REPLY, Answer, classify_call, classify_status
from loadgen.transports.channels import Channels
from loadgen.workload import PlannedOrder, join_batch

METHOD = "/ordermesh.orders.v1.OrderService/BatchCreateOrders"


class BatchTransport:
    """Creates orders in batches over gRPC, spread over a few connections."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        self._channels = Channels(target.channel_address)
        self._metadata = target.metadata
        self._calls = self._channels.rotate(METHOD, orders_pb2.BatchCreateOrdersResponse.FromString)
        self._timeout_seconds = timeout_seconds

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        """Send one batch."""
        try:
            reply: orders_pb2.BatchCreateOrdersResponse
            reply = await next(self._calls)(join_batch(orders), timeout=self._timeout_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return [classify_call(error)] * len(orders)
        if len(reply.results) != len(orders):
            return [BAD_REPLY] * len(orders)
        return [_read_result(result, order) for result, order in zip(reply.results, orders, strict=True)]

    async def close(self) -> None:
        """Close all connections."""
        await self._channels.close()


def _read_result(result: orders_pb2.BatchCreateOrdersResponse.Result, order: PlannedOrder) -> Answer:
    match result.WhichOneof("outcome"):
        case "order":
            order.order_id = result.order.order_id
            return ACCEPTED if order.order_id else BAD_REPLY
        case "error":
            return classify_status(result.error)
        case _:
            return BAD_REPLY
