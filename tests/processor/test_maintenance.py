"""What the maintenance of the analytics database logs about the topics, and the names in it."""

import pytest
from processor_world import World
from structlog.testing import capture_logs
from topic_config import topic_config

from processor import topic_retention
from runtime.kafka import topics

# What the catalogue names and what its functions contain.
OLD_NAMES = """
    SELECT name FROM (
        SELECT relname::text FROM pg_class UNION ALL SELECT attname FROM pg_attribute
        UNION ALL SELECT conname FROM pg_constraint UNION ALL SELECT prosrc FROM pg_proc
    ) AS named (name) WHERE name ~ 'parked|(?<!dead_)letter_|in_hand|the marks'
"""


@pytest.mark.parametrize(("days", "logged"), [(-1, True), (0, False), (1, True)])
def test_a_topic_with_a_longer_retention_than_the_processor_is_logged(world: World, days: int, logged: bool) -> None:
    kept_ms = -1 if days < 0 else (world.settings.processor_retention_days + days) * 86_400_000
    broker = world.settings
    with (
        topic_config(broker, topics.ORDER_EVENTS, retention_ms=str(kept_ms)),
        topic_config(broker, topics.STOCK, retention_ms="1000000"),
        capture_logs() as logs,
    ):
        topic_retention.warn_of_longer_topics(world.settings)
    assert [line["topic"] for line in logs] == ([topics.ORDER_EVENTS] if logged else [])


def test_the_catalogue_has_no_name_that_the_glossary_replaces(world: World) -> None:
    assert world.rows(OLD_NAMES) == []
