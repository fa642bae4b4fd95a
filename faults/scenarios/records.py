"""F16 and F17: records that are no events, and events that come again."""

from __future__ import annotations

import os
from collections.abc import Iterator

from confluent_kafka import Producer
from ordermesh.events.v1 import events_pb2
from ordermesh.orders.v1 import orders_pb2

from faults.injection import topics
from faults.injection.ids import new_id
from faults.scenario import scenario
from faults.world import World
from runtime.kafka import clients
from stack.servers.credentials import KAFKA_BROKER

EACH = 3


@scenario("F16.poison", selected=True)
def poison(world: World) -> None:
    """Random bytes, nothing, an unknown type, a future schema, a wrong key: each is a dead letter with its reason."""
    producer = Producer({**clients.base_config(world.kafka(KAFKA_BROKER), "faults"), "enable.idempotence": True})
    expected = dict(world.expected.dead_letters)
    with world.fault():
        for reason, key, value in records():
            producer.produce("order-events", value, key.encode())
            place = ("order-events", reason)
            expected[place] = expected.get(place, 0) + 1
        if producer.flush(30):
            world.problems.append("the broker did not take the records")
        world.expect(dead_letters=expected)
        world.until(
            lambda: world.number("analytics", "SELECT count(*) FROM dead_letter") == sum(expected.values()),
            "each is a dead letter",
        )


def records() -> Iterator[tuple[str, str, bytes | None]]:
    """Yield records with the reason for which each is a dead letter, and its key."""
    for _ in range(EACH):
        event = an_event()
        yield "UNDECODABLE", event.order_id, b"\xff" + os.urandom(200)
        yield "EMPTY", event.order_id, None
        yield "WRONG_KEY", new_id(), event.SerializeToString()
        future = an_event()
        future.schema_version = 99
        yield "UNKNOWN_TYPE", future.order_id, future.SerializeToString()
        unknown = an_event()
        unknown.ClearField("payload")
        yield "UNKNOWN_TYPE", unknown.order_id, unknown.SerializeToString()


def an_event() -> events_pb2.OrderEvent:
    """Return the creation of an order that nobody sent."""
    event = events_pb2.OrderEvent(
        event_id=new_id(),
        order_id=new_id(),
        customer_id="poison",
        sequence=1,
        status=orders_pb2.Order.CREATED,
        total_minor=100,
        schema_version=1,
        order_created=events_pb2.OrderCreated(
            items=[events_pb2.Item(product_id="p1", quantity=1, price_minor=100)],
        ),
    )
    event.occur_time.GetCurrentTime()
    return event


@scenario("F17.republished", selected=True)
def republished(world: World) -> None:
    """The last 10,000 events are published again: nothing is counted twice."""
    dead = world.query("analytics", 'SELECT topic, partition, "offset" FROM dead_letter')
    garbage = {(topic, partition, offset) for topic, partition, offset in dead}
    with world.fault():
        world.notes["events written again"] = topics.publish_again(world.kafka(KAFKA_BROKER), 10_000, garbage)


@scenario("F17.rewound")
def rewound(world: World) -> None:
    """The offsets of the group are set to 0 while the processor is down: nothing is counted twice."""
    with world.fault():
        with world.launches.held_down(world.stack, "processor"):
            topics.set_offsets(world.kafka(KAFKA_BROKER), topics.BEGINNING)
        world.await_ready("processor")
