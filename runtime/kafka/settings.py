"""The settings of every program that connects to Kafka."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Settings


class KafkaSettings(Settings):
    """The cluster, and how to connect to it."""

    kafka_bootstrap: str = Field(
        default="127.0.0.1:19092", description="Bootstrap servers of Kafka, host:port separated by commas."
    )
    kafka_properties: dict[str, str] = Field(
        default={}, description="Additional librdkafka properties as a JSON object, such as for TLS and SASL."
    )


class GroupSettings(KafkaSettings):
    """The consumer group, for programs that read its offsets or join it."""

    processor_group: str = Field(
        default="ordermesh-metrics", min_length=1, description="Consumer group of the processor's workers."
    )
