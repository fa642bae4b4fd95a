"""A broker as a stack has it, and clients of it: `broker.client_settings(user)` is for one of the programs' users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets them
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from runtime.kafka import access, clients
from runtime.kafka.settings import KafkaSettings
from stack.machine.state_folder import StateFolder
from stack.processes.runners import READY_SECONDS, running
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.users import give_access

GROUP = "ordermesh-metrics"
# Tests with a group of their own have names that start so.
TEST_GROUPS = "test-"
Program = TypeVar("Program", bound=KafkaSettings)


@contextmanager
def running_broker(state: StateFolder) -> Iterator[Kafka]:
    """Run a broker in which each of our programs has its user and ACLs."""
    with running(Kafka.alone(state)) as broker:
        give_access(broker.client_settings(), broker.credentials, GROUP)
        own: Any = (f"User:{access.PROCESSOR}", "*", AclOperation.READ, AclPermissionType.ALLOW)
        acl = AclBinding(ResourceType.GROUP, TEST_GROUPS, ResourcePatternType.PREFIXED, *own)
        client = clients.admin(broker.client_settings(), "tests")
        for done in client.create_acls([acl]).values():
            done.result(READY_SECONDS)
        yield broker


def config(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration of a client that is none of ours."""
    return {"bootstrap.servers": settings.kafka_bootstrap, **settings.kafka_properties}


def fields(settings: KafkaSettings) -> dict[str, Any]:
    """Return the fields for the settings of a program."""
    return settings.model_dump(include={"kafka_bootstrap", "kafka_properties"})


def with_properties(settings: Program, **properties: str) -> Program:
    """Return settings with more properties, named with _ for each dot."""
    more = {name.replace("_", "."): value for name, value in properties.items()}
    return settings.model_copy(update={"kafka_properties": {**settings.kafka_properties, **more}})


def environment(settings: KafkaSettings) -> dict[str, str]:
    """Return the variables for a program."""
    return {
        "ORDERMESH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ORDERMESH_KAFKA_PROPERTIES": json.dumps(settings.kafka_properties),
    }
