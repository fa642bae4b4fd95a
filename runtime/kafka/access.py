"""Who may do what in Kafka: the users of our programs and their ACLs, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from runtime.kafka.topics import ADMIN_TIMEOUT_SECONDS, DEAD_LETTER_TOPICS, EVENT_TOPICS

PUBLISHER = "ordermesh-publisher"
PROCESSOR = "ordermesh-processor"
ANALYTICS = "ordermesh-analytics"
GATEWAY = "ordermesh-gateway"
OPERATOR = "ordermesh-operator"
USERS = (PUBLISHER, PROCESSOR, ANALYTICS, GATEWAY, OPERATOR)
MECHANISM = "SCRAM-SHA-512"
DEAD_LETTERS = tuple(DEAD_LETTER_TOPICS.values())
TOPICS = (*EVENT_TOPICS, *DEAD_LETTERS)


@dataclass(frozen=True)
class Grant:
    """Operations that a user may do on topics, or without topics on the consumer group of the processor."""

    user: str
    operations: tuple[str, ...]
    topics: tuple[str, ...] = ()


# Read, Write, Alter and AlterConfigs include Describe or DescribeConfigs.
GRANTS = (
    Grant(OPERATOR, ("Create", "Read", "Alter", "AlterConfigs"), TOPICS),
    Grant(OPERATOR, ("Describe",)),
    Grant(PUBLISHER, ("Write", "DescribeConfigs"), EVENT_TOPICS),
    Grant(PROCESSOR, ("Read", "DescribeConfigs"), EVENT_TOPICS),
    Grant(PROCESSOR, ("Write",), DEAD_LETTERS),
    Grant(PROCESSOR, ("Read",)),
    # Dead letters are redriven to where they came from.
    Grant(ANALYTICS, ("Read",), DEAD_LETTERS),
    Grant(ANALYTICS, ("Write",), EVENT_TOPICS),
    Grant(ANALYTICS, ("Describe",)),
    Grant(GATEWAY, ("Read",), TOPICS),
    Grant(GATEWAY, ("Describe",)),
)
OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "Alter": AclOperation.ALTER,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def client_properties(user: str, password: str) -> dict[str, str]:
    """Return the properties with which a client authenticates itself; SCRAM shows the password to no server."""
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": MECHANISM,
        "sasl.username": user,
        "sasl.password": password,
    }


def bindings(group: str, grants: Iterable[Grant] = GRANTS) -> list[AclBinding]:
    """Return the ACLs of grants; `group` is the consumer group of the processor."""
    return [
        binding(ResourceType.TOPIC if grant.topics else ResourceType.GROUP, name, grant.user, operation)
        for grant in grants
        for name in grant.topics or (group,)
        for operation in grant.operations
    ]


def binding(resource: ResourceType, name: str, user: str, operation: str) -> AclBinding:
    """Return one ACL."""
    allow, literal = AclPermissionType.ALLOW, ResourcePatternType.LITERAL
    return AclBinding(resource, name, literal, f"User:{user}", "*", OPERATIONS[operation], allow)


def ensure_acls(client: AdminClient, group: str) -> None:
    """Create the missing ACLs of our users and delete those that are not in the table. Raises KafkaException."""
    anyone = (None, None, AclOperation.ANY, AclPermissionType.ANY)
    anything: Any = (ResourceType.ANY, None, ResourcePatternType.ANY, *anyone)
    found = client.describe_acls(AclBindingFilter(*anything), request_timeout=ADMIN_TIMEOUT_SECONDS).result()
    ours = {f"User:{user}" for user in USERS}
    existing, wanted = {one for one in found if one.principal in ours}, set(bindings(group))
    if wanted - existing:
        created = client.create_acls(list(wanted - existing), request_timeout=ADMIN_TIMEOUT_SECONDS)
        for done in created.values():
            done.result()
    if existing - wanted:
        unwanted = [filter_of(one) for one in existing - wanted]
        for deleted in client.delete_acls(unwanted, request_timeout=ADMIN_TIMEOUT_SECONDS).values():
            deleted.result()


def filter_of(one: AclBinding) -> AclBindingFilter:
    """Return a filter that matches one ACL."""
    pattern = (one.restype, one.name, one.resource_pattern_type)
    return AclBindingFilter(*pattern, one.principal, one.host, one.operation, one.permission_type)
