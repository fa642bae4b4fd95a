"""Creates every Kafka client of the project, with the properties that it relies on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from runtime.kafka.group_protocol import CLASSIC, KIP_848, GroupProtocol
from runtime.kafka.settings import KafkaSettings

# Longer than any outage: a producer that gives up and is asked again writes duplicates despite idempotence.
MESSAGE_TIMEOUT_MS = 24 * 3600 * 1000

LIBRARY_LOG = logging.getLogger("librdkafka")

Config = dict[str, str | int | float | bool]
OnError = Callable[[KafkaError], None]


def ignore_error(error: KafkaError) -> None:
    """Drop a client's connection error: the caller reports failed requests instead."""


def base_config(settings: KafkaSettings, client_id: str) -> Config:
    """Return the properties of every client. The operator's (TLS, SASL) take precedence over all others."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": client_id,
        "topic.metadata.propagation.max.ms": 1000,
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
        **settings.kafka_properties,
    }


def producer(
    settings: KafkaSettings, client_id: str, overrides: Mapping[str, str | int | float | bool] | None = None
) -> Producer:
    """Return an idempotent producer that retries during an outage and assigns partitions like the Java client."""
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


def consumer(settings: KafkaSettings, client_id: str, group: str, protocol: GroupProtocol = "classic") -> Consumer:
    """Return a consumer of a group: no automatic commits, and an event at the end of each partition."""
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
            # Larger fetches: fetched one by one, events cost the broker more than everything else.
            "fetch.min.bytes": 16_384,
            "fetch.wait.max.ms": 50,
            **settings.kafka_properties,
        },
        logger=LIBRARY_LOG,
    )


def silent_consumer(
    settings: KafkaSettings,
    client_id: str,
    group: str,
    overrides: Mapping[str, str | int | float | bool] | None = None,
    on_error: OnError = ignore_error,
) -> Consumer:
    """Return a consumer that never joins its group nor commits, and logs nothing; `on_error` gets connection errors.

    The client requires a group name; `group` matters only for reading the offsets that this group committed.
    """
    own = {"group.id": group, "enable.auto.commit": False, **(overrides or {})}
    return Consumer(_silent({**base_config(settings, client_id), **own}, on_error))


def admin(settings: KafkaSettings, client_id: str) -> AdminClient:
    """Return an admin client."""
    return AdminClient(base_config(settings, client_id), logger=LIBRARY_LOG)


def silent_admin(settings: KafkaSettings, client_id: str, on_error: OnError = ignore_error) -> AdminClient:
    """Return an admin client that logs nothing; `on_error` gets connection errors."""
    return AdminClient(_silent(base_config(settings, client_id), on_error))


def probe(settings: KafkaSettings) -> AdminClient:
    """Return an admin client for readiness checks of a local broker: it reconnects fast and logs nothing."""
    fast: Config = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}
    return AdminClient(_silent({**base_config(settings, "ordermesh-probe"), **fast}, ignore_error))


def _silent(config: Config, on_error: OnError) -> dict[str, Any]:
    return {**config, "log_level": 0, "error_cb": on_error}
