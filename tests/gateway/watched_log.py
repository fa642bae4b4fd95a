"""A real broker with the topic of orders, what to write into it, and gateways that read it."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import kafka_broker
from confluent_kafka import Producer
from created_topics import make_topics
from kafka_broker import environment
from ordermesh.events.v1.events_pb2 import OrderCreated, OrderEvent, PaymentCompleted
from ordermesh.gateway.v1 import watch_pb2 as pb
from ordermesh.gateway.v1 import watch_pb2_grpc
from ordermesh.orders.v1.orders_pb2 import Order
from seed import seeded_home
from signed_tokens import TOKEN_KEYS

from orders.domain.ids import uuid7
from runtime.kafka import clients, topics
from runtime.kafka.settings import GroupSettings
from stack.machine import ports

START_SECONDS = 30.0
PARTITIONS = 4
MAX_WATCHERS = 3


@contextmanager
def running_broker() -> Iterator[GroupSettings]:
    with seeded_home() as state, kafka_broker.running_broker(state) as broker:
        settings = GroupSettings(**kafka_broker.fields(broker.client_settings()))
        make_topics(clients.admin(settings, "test"), PARTITIONS)
        yield settings


def event(order_id: str, sequence: int = 1, customer_id: str = "cust-1") -> OrderEvent:
    """Make an order's event: the first creates it, the others pay it."""
    made = OrderEvent(
        event_id=uuid7(time.time_ns() // 1000),
        order_id=order_id,
        customer_id=customer_id,
        sequence=sequence,
        status=Order.CREATED if sequence == 1 else Order.PAID,
        total_minor=7_050,
        schema_version=1,
    )
    if sequence == 1:
        made.order_created.CopyFrom(OrderCreated())
    else:
        made.payment_completed.CopyFrom(PaymentCompleted())
    return made


class Writer:
    """Writes events as the publisher does: keyed by order."""

    def __init__(self, settings: GroupSettings) -> None:
        self._producer: Producer = clients.producer(settings, "test")

    def write(self, *events: OrderEvent) -> None:
        for one in events:
            self._producer.produce(topics.ORDER_EVENTS, key=one.order_id, value=one.SerializeToString())
        self.flush()

    def write_bytes(self, value: bytes) -> None:
        self._producer.produce(topics.ORDER_EVENTS, key="bad", value=value)
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(10) == 0


@dataclass
class Watched:
    """A gateway's process with a stub of its watches."""

    process: subprocess.Popen
    watch: watch_pb2_grpc.WatchServiceStub
    log: Path


def start(environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway"], env={**os.environ, **environment}, stdout=output, stderr=output
        )


@asynccontextmanager
async def watching_gateway(
    settings: GroupSettings, folder: Path, name: str = "gw", authentication: str = "off"
) -> AsyncIterator[Watched]:
    """Start a gateway of its own; the services behind it are those of the folder, if there are any."""
    (metrics_port,) = ports.allocate(1)
    variables = {
        "ORDERMESH_GATEWAY_LISTEN": f"unix:{folder}/{name}.sock",
        "ORDERMESH_GATEWAY_HTTP_LISTEN": f"unix:{folder}/{name}-http.sock",
        "ORDERMESH_GATEWAY_MAX_WATCHERS": str(MAX_WATCHERS),
        "ORDERMESH_ORDERS_TARGETS": f"unix:{folder}/orders.sock",
        "ORDERMESH_ANALYTICS_TARGET": f"unix:{folder}/analytics.sock",
        "ORDERMESH_METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
        **environment(settings),
        "ORDERMESH_TOKEN_KEYS": TOKEN_KEYS,
        "ORDERMESH_AUTH": authentication,
    }
    log = folder / f"{name}.log"
    process = start(variables, log)
    channel = grpc.aio.insecure_channel(f"unix:{folder}/{name}.sock", options=[("grpc.max_reconnect_backoff_ms", 100)])
    await asyncio.wait_for(channel.channel_ready(), START_SECONDS)
    yield Watched(process, watch_pb2_grpc.WatchServiceStub(channel), log)
    await channel.close()
    process.kill()
    process.wait()


async def opened(gateway: Watched, **request: object) -> tuple[grpc.aio.UnaryStreamCall, str]:
    """Open a stream of orders and return it with the revision where it begins."""
    stream = gateway.watch.WatchOrders(pb.WatchOrdersRequest(**request))
    first = await asyncio.wait_for(stream.read(), START_SECONDS)
    assert first.WhichOneof("body") == "heartbeat"
    return stream, first.revision


async def next_change(stream: grpc.aio.UnaryStreamCall) -> pb.WatchOrdersResponse:
    """Return the next message that is no heartbeat."""
    while True:
        message = await asyncio.wait_for(stream.read(), START_SECONDS)
        if message is grpc.aio.EOF or message.WhichOneof("body") != "heartbeat":
            return message


def new_order() -> str:
    return str(uuid.uuid4())
