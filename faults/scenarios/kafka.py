"""F12 to F15: brokers go, topics change, records are refused, consumers come and go."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions
from ordermesh.gateway.v1.dead_letters_pb2 import (
    ChangeDeadLettersRequest,
    DeadLetter,
    ListDeadLettersRequest,
    ListDeadLettersResponse,
)
from ordermesh.gateway.v1.dead_letters_pb2_grpc import DeadLetterServiceStub

from faults.injection import topics
from faults.injection.stopped import stopped
from faults.load.journal import CREATE
from faults.scenario import Needs, scenario
from faults.world import World
from runtime.batched import batched
from runtime.kafka import access, clients
from stack.servers.credentials import KAFKA_BROKER

SETTING = "ORDERMESH_KAFKA_PROPERTIES"
CALL_SECONDS = 30.0
IDS_PER_CALL = 100


@scenario("F12.killed", selected=True)
def broker_killed(world: World) -> None:
    """A broker is killed."""
    with world.fault():
        world.notes["restarted (s)"] = world.kill(world.brokers[0])
    require_orders_accepted(world)


@scenario("F12.down")
def broker_down(world: World) -> None:
    """A broker is down for a minute: orders are accepted all the same."""
    with world.fault():
        with world.launches.held_down(world.stack, world.brokers[0]):
            world.hold(60, 12)
        world.await_ready(world.brokers[0])
    require_orders_accepted(world)


@scenario("F12.stopped")
def broker_stopped(world: World) -> None:
    """A broker is stopped for 30 s and goes on."""
    with world.fault(), stopped(world.stack.pid(world.brokers[0])):
        world.hold(30, 12)
    require_orders_accepted(world)


def require_orders_accepted(world: World) -> None:
    """Note as a problem that more than one order in a hundred was refused."""
    orders = [call for call in world.journal.since(world.injected_at) if call.method == CREATE and call.ended_at]
    refused = [call for call in orders if not call.accepted]
    if len(refused) > 0.01 * len(orders):
        world.problems.append(f"{len(refused)} of {len(orders)} orders were refused, the first with {refused[0].kind}")


@scenario("F13.offsets-reset")
def offsets_reset(world: World) -> None:
    """The offsets of the group are set to the end while the processor is down: nothing is skipped."""
    with world.fault():
        with world.launches.held_down(world.stack, "processor"):
            world.hold(8, 4)
            topics.set_offsets(world.kafka(KAFKA_BROKER), topics.END)
        world.await_ready("processor")


@scenario("F13.partitions-added", Needs(alone=True))
def partitions_added(world: World) -> None:
    """The topic gets six more partitions: events of one order are in two of them, and counted all the same."""
    client = clients.admin(world.kafka(KAFKA_BROKER), "faults")
    with world.fault():
        client.create_partitions([NewPartitions("order-events", 18)])["order-events"].result(30)
        world.hold(15, 8)
    world.expect(repeated=True)


@scenario("F13.recreated", Needs(alone=True))
def topic_recreated(world: World) -> None:
    """The topic is deleted with events that nobody has read, and created again: told, and repaired by a replay."""
    settings = world.kafka(KAFKA_BROKER)
    with world.fault():
        with world.launches.held_down(world.stack, "processor"):
            world.hold(4, 4)
            with world.launches.held_down(world.stack, "publisher"):
                world.log.read()
                topics.recreate(settings, "order-events", 3 if len(world.brokers) == 3 else 1)
                world.log.begin_again()
            world.await_ready("publisher")
        world.await_ready("processor")
        time.sleep(3)
        world.notes["Reconcile before the repair"] = told = world.reconcile()
        if told != "DIFFERS":
            world.problems.append(f"lost events were not noticed: Reconcile says {told}")
        world.notes["replayed events"] = topics.replay_uncounted(world.dsn("orders"), world.dsn("analytics"))
    world.expect(repeated=True)


@scenario("F14.too-large")
def records_refused(world: World) -> None:
    """The topic refuses larger records: their events are DEAD with the cause, others pass; retried, all are counted."""
    with world.fault(), world.stack.channel() as channel:
        desk: Any = DeadLetterServiceStub(channel)
        set_topic(world, {"max.message.bytes": "330"})
        try:
            world.until(lambda: bool(dead_events(desk).total_size), "an event is DEAD")
            world.hold(8, 4)
        finally:
            set_topic(world, {"max.message.bytes": "1048588"})
        dead = dead_events(desk)
        world.notes["dead events"], world.notes["cause"] = dead.total_size, dead.dead_letters[0].detail[:80]
        # The publisher knows the larger limit a little later.
        time.sleep(3)
        while ids := [one.dead_letter_id for one in dead_events(desk).dead_letters]:
            for some in batched(ids, IDS_PER_CALL):
                desk.RedriveDeadLetters(ChangeDeadLettersRequest(dead_letter_ids=some), timeout=CALL_SECONDS)
            time.sleep(3)


def dead_events(desk: Any) -> ListDeadLettersResponse:
    """Return the dead letters of the outbox, at most a thousand."""
    request = ListDeadLettersRequest(source=DeadLetter.OUTBOX, page_size=1_000)
    answer: ListDeadLettersResponse = desk.ListDeadLetters(request, timeout=CALL_SECONDS)
    return answer


def set_topic(world: World, settings: Mapping[str, str]) -> None:
    """Change the configuration of order-events."""
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
    ]
    resource = ConfigResource("topic", "order-events", incremental_configs=entries)
    client = clients.admin(world.kafka(KAFKA_BROKER), "faults")
    for done in client.incremental_alter_configs([resource]).values():
        done.result(30)


@scenario("F14.timeouts", Needs(proxies=True))
def acknowledgements_missing(world: World) -> None:
    """Kafka's acknowledgements do not arrive for 20 s: events are sent again."""
    proxy = world.network.kafka["publisher"]
    with world.fault():
        proxy.hold("to client")
        world.hold(20, 12)
        proxy.cut()
        proxy.release()
    require_orders_accepted(world)


@scenario("F14.queue-full")
def queue_full(world: World) -> None:
    """The publisher's producer has room for ten records only."""
    properties = world.kafka(access.PUBLISHER).kafka_properties
    with world.fault():
        small = json.dumps({**properties, "queue.buffering.max.messages": "10"})
        world.launches.add_variables("publisher", {SETTING: small})
        world.kill("publisher")
        world.hold(10, 5)
        world.launches.remove_variables("publisher", [SETTING])
        world.kill("publisher")


@scenario("F15.rebalances")
def consumers_come_and_go(world: World) -> None:
    """Every 3 s another consumer joins the group, takes partitions, and leaves without counting."""
    with world.fault():
        until = time.monotonic() + world.seconds(30, 12)
        while time.monotonic() < until:
            visitor = a_visitor(world)
            visitor.subscribe(["order-events", "stock"])
            joined = time.monotonic()
            while time.monotonic() < joined + 3:
                visitor.poll(0.1)
            taken = len(visitor.assignment())
            world.notes["partitions taken"] = world.notes.get("partitions taken", 0) + taken
            visitor.close()
    if not world.notes["partitions taken"]:
        world.problems.append("the visitors got no partition")


def a_visitor(world: World) -> Consumer:
    """Return a consumer of the processor's group, by the protocol that the group has."""
    settings, group = world.kafka(access.PROCESSOR), world.stack.context.settings.processor_group
    client = clients.admin(world.kafka(KAFKA_BROKER), "faults")
    # The answer never comes when the client is deleted before it.
    found = client.describe_consumer_groups([group])[group].result(30)
    return clients.consumer(settings, "visitor", group, "classic" if found.type.name == "CLASSIC" else "consumer")
