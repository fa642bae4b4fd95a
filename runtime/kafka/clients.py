"""Kafka clients with the settings that this project relies on."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from runtime.kafka.group_protocol import CLASSIC, KIP_848, GroupProtocol
from runtime.settings import Settings

# Above any outage to be ridden out: a producer that gave up and is asked again writes twice despite idempotence.
MESSAGE_TIMEOUT_MS = 24 * 3600 * 1000

LIBRARY_LOG = logging.getLogger("librdkafka")

Config = dict[str, str | int | float | bool]


def base_config(settings: Settings, client_id: str) -> Config:
    """Return what every client shares, with the operator's properties (TLS, SASL); they also win over what is added."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": client_id,
        "topic.metadata.propagation.max.ms": 1000,
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
        **settings.kafka_properties,
    }


def producer(
    settings: Settings, client_id: str, overrides: Mapping[str, str | int | float | bool] | None = None
) -> Producer:
    """Return an idempotent producer that retries for as long as an outage lasts and partitions as Java's does."""
    return Producer(
        {
            **base_config(settings, client_id),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 2,
            "message.timeout.ms": MESSAGE_TIMEOUT_MS,
            "queue.buffering.max.messages": 20_000,
            "delivery.report.only.error": False,
            **(overrides or {}),
            **settings.kafka_properties,
        },
        logger=LIBRARY_LOG,
    )


def consumer(settings: Settings, client_id: str, group: str, protocol: GroupProtocol = "classic") -> Consumer:
    """Return a consumer of a group that commits only what it is told to, and tells where the log ends for now."""
    return Consumer(
        {
            **base_config(settings, client_id),
            "group.id": group,
            **(CLASSIC if protocol == "classic" else KIP_848),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 32_768,
            # A fetch waits for company: answered one by one, events cost the broker more than all the rest.
            "fetch.min.bytes": 16_384,
            "fetch.wait.max.ms": 50,
            **settings.kafka_properties,
        },
        logger=LIBRARY_LOG,
    )


def admin(settings: Settings, client_id: str) -> AdminClient:
    """Return an admin client."""
    return AdminClient(base_config(settings, client_id), logger=LIBRARY_LOG)
