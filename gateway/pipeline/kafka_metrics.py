"""What the metrics show of Kafka: the cluster, the ends of the log, and the lag of the processor's group."""

from __future__ import annotations

from gateway.backends.topic_state import LogState
from runtime.kafka.offsets import Partition
from runtime.telemetry.metrics import servers
from runtime.telemetry.metrics.component_metric import Labels
from runtime.telemetry.metrics.readings import READINGS

# Some samples may fail before the values vanish.
VALID_SECONDS = 5.0


def record(log: LogState) -> None:
    """Show a sample in the metrics, for as long as it holds."""
    READINGS.put(
        "kafka",
        {
            servers.KAFKA_BROKERS: {(): log.brokers},
            servers.KAFKA_UNDER_REPLICATED: {(): log.under_replicated},
            servers.KAFKA_OFFLINE: {(): log.offline},
            servers.KAFKA_LOG_END: {labels(partition): end for partition, end in log.ends.items()},
            servers.CONSUMER_LAG: {labels(partition): events for partition, events in log.lags().items()},
        },
        VALID_SECONDS,
    )


def labels(partition: Partition) -> Labels:
    """Return the labels of a partition."""
    topic, number = partition
    return topic, str(number)
