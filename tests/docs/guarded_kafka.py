"""A Kafka broker that asks users for a password and lets them do only what its ACLs say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.processes.logfile import LogFile
from stack.processes.runners import READY_SECONDS
from stack.servers.kafka import Kafka
from stack.servers.kafka_config import single_broker

PASSWORD = "change-7"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
ROW = re.compile(r"^\| `(ordermesh-\w+)` \| (topic|group) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def guarded_broker(folder: Path, users: set[str]) -> tuple[Kafka, str]:
    """Return a broker that is not started, and the address at which users log in."""
    port, controller, outer = ports.allocate(3)
    plain = Kafka(folder, port, controller, LogFile(folder / "kafka.log"))
    logins = " ".join(f'user_{user}="{PASSWORD}"' for user in sorted(users))
    own = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTER:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{plain.bootstrap},OUTER://{LOOPBACK}:{outer},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{plain.bootstrap},OUTER://{LOOPBACK}:{outer}",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.outer.plain.sasl.jaas.config": f"{LOGIN} required {logins};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The inner listener is the administrator's and the broker's own.
        "super.users": "User:ANONYMOUS",
    }
    membership = dataclasses.replace(single_broker(folder, controller), properties=own)
    return Kafka(folder, port, controller, plain.log, membership=membership), f"{LOOPBACK}:{outer}"


def documented_acls(page: str) -> Iterator[AclBinding]:
    """Return the ACLs of a page's table."""
    for user, resource, names, operations in ROW.findall(page):
        for name in re.findall(r"`([^`]+)`", names):
            for operation in operations.split(", "):
                yield AclBinding(
                    ResourceType[resource.upper()],
                    name,
                    ResourcePatternType.LITERAL,
                    f"User:{user}",
                    "*",
                    AclOperation[re.sub(r"(?<=.)([A-Z])", r"_\1", operation.strip()).upper()],
                    AclPermissionType.ALLOW,
                )


def create_acls(broker: Kafka, acls: list[AclBinding]) -> None:
    """Create ACLs as the administrator."""
    client: AdminClient = clients.admin(KafkaSettings(kafka_bootstrap=broker.bootstrap), "administrator")
    for done in client.create_acls(acls).values():
        done.result(READY_SECONDS)
