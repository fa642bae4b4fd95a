"""What stands still: all processes of a pod, or one partition of a topic."""

from __future__ import annotations

import base64
import json
from typing import Any

from node.cluster import Cluster
from release import Platform

# The topic of orders, and a transaction that was begun there: what comes behind it is read when it has ended.
STICK = """
import json, os, sys
from confluent_kafka import Producer
producer = Producer({**json.loads(sys.argv[1]), "transactional.id": "stuck", "transaction.timeout.ms": 900000})
producer.init_transactions(60)
if sys.argv[2] != "end":
    producer.begin_transaction()
    producer.produce("order-events", b"", partition=int(sys.argv[2]))
    assert producer.flush(60) == 0
    os._exit(0)
"""


class Frozen:
    """All processes of a pod stand still within the context, and its sockets stay open."""

    def __init__(self, cluster: Cluster, pod: dict[str, Any]) -> None:
        self._state = cluster.cgroup("freezer", pod) / "freezer.state"

    def __enter__(self) -> None:
        self._state.write_text("FROZEN")

    def __exit__(self, *_: object) -> None:
        self._state.write_text("THAWED")


class StuckPartition:
    """A transaction that was left open in a partition of orders: within the context nobody reads what is behind it."""

    def __init__(self, platform: Platform, partition: int) -> None:
        self._platform = platform
        self._partition = str(partition)

    def __enter__(self) -> None:
        self._run(self._partition)

    def __exit__(self, *_: object) -> None:
        self._run("end")

    def _run(self, what: str) -> None:
        secret = self._platform.cluster.get("secret", "om-ordermesh-kafka-acls", "-n", self._platform.namespace)
        login = base64.b64decode(secret["data"]["properties"]).decode()
        broker = {"bootstrap.servers": "om-ordermesh-kafka:9092", **json.loads(login)}
        command = [
            "exec",
            self._platform.deployment("publisher"),
            "--",
            "python",
            "-c",
            STICK,
            json.dumps(broker),
            what,
        ]
        self._platform.kubectl(*command)
