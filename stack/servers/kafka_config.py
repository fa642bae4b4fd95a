"""The configuration of a Kafka broker: its properties, and its membership in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.machine.ports import LOOPBACK

NODE_ID = 1
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
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
    "log.retention.bytes": str(256 * 1024 * 1024),
    "log.segment.bytes": str(64 * 1024 * 1024),
    # Allocated in the heap permanently; enough for 150,000 keys a pass of the compacted topics.
    "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
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

    `properties` override the defaults; `format_arguments` are further arguments of the format tool, as for SCRAM users.
    """

    node_id: int
    voters: Mapping[int, int]
    cluster_id_file: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    format_arguments: tuple[str, ...] = ()


def single_broker(folder: Path, controller_port: int) -> Membership:
    """Return the membership of a broker without a cluster."""
    return Membership(NODE_ID, {NODE_ID: controller_port}, folder / "cluster.id")


def render_properties(data: Path, port: int, controller_port: int, membership: Membership) -> str:
    """Return a broker's configuration."""
    own = {
        "node.id": str(membership.node_id),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": ",".join(f"{node}@{LOOPBACK}:{at}" for node, at in membership.voters.items()),
        "log.dirs": str(data),
    }
    lines = {**SETTINGS, **own, **membership.properties}
    return "".join(f"{name}={value}\n" for name, value in lines.items())
