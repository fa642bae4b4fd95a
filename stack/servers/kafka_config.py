"""What a Kafka broker is told: its properties, alone or as one of several, and which cluster its folder is of."""

from __future__ import annotations

import base64
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.machine.paths import write_private
from stack.machine.ports import LOOPBACK

NODE_ID = 1
_naming = threading.Lock()
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
    # A group hears of its changes with the next heartbeat.
    "group.consumer.heartbeat.interval.ms": "500",
    # A week of events; a partition takes at most retention plus one segment, 320 MiB.
    "log.retention.hours": "168",
    "log.retention.bytes": str(256 * 1024 * 1024),
    "log.segment.bytes": str(64 * 1024 * 1024),
    # Held in the heap for life. It has room for 150,000 keys a pass; the compacted topics hold the groups' offsets.
    "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
}
# With one of three brokers gone, topics and offsets are still written, to two of their three copies.
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
    """What a broker knows of a cluster of several: its number, every voter's controller port, the file of the id.

    `properties` go before the usual ones; `format_words` are further arguments of the format, as for SCRAM users.
    """

    node_id: int
    voters: Mapping[int, int]
    identity: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    format_words: tuple[str, ...] = ()


def alone(folder: Path, controller_port: int) -> Membership:
    """Return what a broker without others knows."""
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


def cluster_id(path: Path) -> str:
    """Return the id in a file, a new one when there is none."""
    # The brokers of a cluster start at once and must agree.
    with _naming:
        if not path.exists():
            write_private(path, f"{new_cluster_id()}\n")
        return path.read_text().strip()


def new_cluster_id() -> str:
    """Return a random cluster id; Kafka's tools would take one that begins with a dash for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def stored_cluster_id(data: Path) -> str | None:
    """Return the cluster that a folder was formatted for, None when it is not formatted."""
    path = data / "meta.properties"
    if not path.exists():
        return None
    found = re.search(r"^cluster\.id=(.*)$", path.read_text(), re.MULTILINE)
    return found[1].strip() if found else None
