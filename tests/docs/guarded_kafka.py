"""A Kafka broker that asks users for a password and lets them do only what its ACLs say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from runtime.kafka import clients
from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.machine.state_folder import StateFolder
from stack.processes.runners import READY_SECONDS
from stack.servers.kafka.broker import Kafka

PASSWORD = "change-7"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
ROW = re.compile(r"^\| `(ordermesh-\w+)` \| (topic|group) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def guarded_broker(state: StateFolder, users: set[str]) -> tuple[Kafka, str]:
    """Return a broker that is not started, and the address at which users log in with PLAIN."""
    (outer,) = ports.allocate(1)
    inner = Kafka.alone(state)
    logins = " ".join(f'user_{user}="{PASSWORD}"' for user in sorted(users))
    listeners = f"CLIENTS://{inner.bootstrap},OUTER://{LOOPBACK}:{outer}"
    own = {
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,OUTER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{inner.controller_port}",
        "advertised.listeners": listeners,
        "listener.name.outer.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.outer.plain.sasl.jaas.config": f"{LOGIN} required {logins};",
    }
    membership = dataclasses.replace(inner.membership, properties=own)
    at = inner.port, inner.controller_port
    return Kafka(inner.folder, *at, inner.log, inner.credentials, membership=membership), f"{LOOPBACK}:{outer}"


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
    client: AdminClient = clients.admin(broker.client_settings(), "administrator")
    for done in client.create_acls(acls).values():
        done.result(READY_SECONDS)
