"""Gives our programs their users and ACLs in the local Kafka."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, its stub forgets them
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from runtime.kafka import access, clients
from runtime.kafka.settings import KafkaSettings
from stack.errors import ServerFailed
from stack.servers.credentials import Credentials
from stack.servers.kafka.controller import ITERATIONS

TIMEOUT_SECONDS = 30.0


def give_access(settings: KafkaSettings, credentials: Credentials, group: str) -> None:
    """Set the users' passwords and their ACLs; safe to repeat. `group` is the consumer group of the processor.

    Blocks; raises ServerFailed.
    """
    client = clients.silent_admin(settings, "ordermesh-access")
    try:
        set_passwords(client, credentials)
        access.ensure_acls(client, group)
    except KafkaException as error:
        raise ServerFailed(f"Kafka's users and ACLs cannot be set: {error.args[0].str()}") from error


def set_passwords(client: AdminClient, credentials: Credentials) -> None:
    """Set the password of each user to that in the credentials. Raises KafkaException."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    wanted: list[Any] = [
        UserScramCredentialUpsertion(user, info, credentials.password(user).encode()) for user in access.USERS
    ]
    for done in client.alter_user_scram_credentials(wanted, request_timeout=TIMEOUT_SECONDS).values():
        done.result()
