"""What the metrics show of the dead letters, read from the database."""

from __future__ import annotations

from processor.dead_letters.inspection import SQL
from runtime.kafka.topics import EVENT_TOPICS
from runtime.postgres.readings import Source
from runtime.telemetry import metrics

DEAD_LETTERS = Source(
    "dead-letters",
    10.0,
    {metrics.DEAD_LETTERS_UNRESOLVED: SQL.count_unresolved},
    {"topics": list(EVENT_TOPICS)},
)
