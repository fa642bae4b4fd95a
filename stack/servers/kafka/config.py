"""The configuration of a Kafka broker: its properties, and its membership in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.kafka import access
from stack.machine.ports import LOOPBACK
from stack.servers.credentials import KAFKA_BROKER, KAFKA_CONTROLLER, Credentials

NODE_ID = 1
MIB = 1024 * 1024
LOGIN_MODULES = "org.apache.kafka.common.security"
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    # SCRAM authenticates the broker as well: who takes its port while it is down learns no password.
    "listener.name.clients.sasl.enabled.mechanisms": access.MECHANISM,
    "sasl.mechanism.inter.broker.protocol": access.MECHANISM,
    # Passwords of SCRAM are in the metadata log, which a controller cannot read before it has authenticated others.
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:{KAFKA_BROKER};User:{KAFKA_CONTROLLER}",
    # Larger than any batch that a topic takes; a request of 99 MB would end a small heap.
    "socket.request.max.bytes": str(8 * MIB),
    "queued.max.request.bytes": str(32 * MIB),
    "queued.max.requests": "100",
    "max.connections": "2000",
    "max.connections.per.ip": "2000",
    "max.connection.creation.rate": "500",
    "connections.max.idle.ms": "60000",
    "connection.failed.authentication.delay.ms": "500",
    "auto.create.topics.enable": "false",
    "num.partitions": "12",
    "default.replication.factor": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # With the defaults a broker that was killed waits 11 to 15 s for its own old registration to expire.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    # Members learn of changes of their group with the next heartbeat.
    "group.consumer.heartbeat.interval.ms": "500",
    # A week of events; a partition takes at most retention plus one segment, 320 MiB.
    "log.retention.hours": "168",
    "log.retention.bytes": str(256 * MIB),
    "log.segment.bytes": str(64 * MIB),
    # Allocated in the heap permanently; enough for 150,000 keys a pass of the compacted topics.
    "log.cleaner.dedupe.buffer.size": str(4 * MIB),
}
# With one of three brokers down, topics and offsets are still writable.
CLUSTER_SETTINGS: Mapping[str, str] = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


@dataclass(frozen=True)
class Membership:
    """A broker's membership: its node id, the controller ports of all voters by node id, the file of the cluster id.

    `broker_ports` are the ports for clients of the other brokers, `authority` that of the controllers' certificate, as
    PEM, empty without TLS. `properties` override the defaults; `format_arguments` are further arguments of the format
    tool, as for SCRAM users.
    """

    node_id: int
    voters: Mapping[int, int]
    cluster_id_file: Path
    broker_ports: tuple[int, ...] = ()
    authority: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    format_arguments: tuple[str, ...] = ()


def single_broker(folder: Path, controller_port: int) -> Membership:
    """Return the membership of a broker without a cluster."""
    return Membership(NODE_ID, {NODE_ID: controller_port}, folder / "cluster.id")


def broker_properties(
    data: Path, port: int, controller_port: int, membership: Membership, credentials: Credentials
) -> dict[str, str]:
    """Return a broker's configuration; it contains passwords."""
    own = {
        "node.id": str(membership.node_id),
        "listeners": f"CLIENTS://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{LOOPBACK}:{port}",
        "controller.quorum.voters": ",".join(f"{node}@{LOOPBACK}:{at}" for node, at in membership.voters.items()),
        "log.dirs": str(data),
    }
    return {**SETTINGS, **own, **logins(credentials), **membership.properties}


def logins(credentials: Credentials) -> dict[str, str]:
    """Return how a broker authenticates itself at others and, on the controllers' listener, others."""
    broker, controller = credentials.password(KAFKA_BROKER), credentials.password(KAFKA_CONTROLLER)
    scram = f'username="{KAFKA_BROKER}" password="{broker}"'
    plain = f'username="{KAFKA_CONTROLLER}" password="{controller}" user_{KAFKA_CONTROLLER}="{controller}"'
    return {
        "listener.name.clients.scram-sha-512.sasl.jaas.config": login("scram.ScramLoginModule", scram),
        "listener.name.controller.plain.sasl.jaas.config": login("plain.PlainLoginModule", plain),
    }


def login(module: str, options: str) -> str:
    """Return a configuration of Java's authentication."""
    return f"{LOGIN_MODULES}.{module} required {options};"


def rendered(known: Mapping[str, str]) -> str:
    """Return properties as Java reads them."""
    escaped = {name: value.replace("\\", "\\\\").replace("\n", "\\n") for name, value in known.items()}
    return "".join(f"{name}={value}\n" for name, value in escaped.items())


def listener_ports(known: Mapping[str, str]) -> list[int]:
    """Return the ports of all listeners."""
    return [int(listener.rpartition(":")[2]) for listener in known["listeners"].split(",")]
