"""A real Prometheus and Alertmanager over a real stack; the short form is test_alerting.py."""

from __future__ import annotations

import pytest
from watched_platform import watched_platform

OBJECTIVES = "OrdermeshCountingDelay|OrdermeshCreateOrderErrors"
pytestmark = [pytest.mark.long, pytest.mark.timeout(450)]


def test_nothing_fires_from_the_start_on_until_something_is_broken_and_again_after_its_repair() -> None:
    """Kafka and PostgreSQL go down and come back; each silences what needs it."""
    with watched_platform() as (world, watched):
        # A start does not become shorter with the durations: its first seconds are minutes of an objective.
        fired = f"max_over_time(ALERTS{{alertstate='firing',alertname!~'{OBJECTIVES}'}}[1h])"
        # Ten minutes at this pace.
        world.hold(30, 30)
        assert watched.query(fired) == []
        with world.launches.held_down(world.stack, "kafka"):
            cause = watched.await_notified("OrdermeshKafkaDown")
            silenced = watched.await_notified("OrdermeshPublishingStopped", state="suppressed")
            assert cause["fingerprint"] in silenced["status"]["inhibitedBy"]
        watched.await_resolved("OrdermeshKafkaDown")
        watched.await_resolved("OrdermeshPublishingStopped")
        world.await_ready()
        with world.launches.held_down(world.stack, "postgres"):
            watched.await_notified("OrdermeshPostgresDown", component="postgresql-orders")
            watched.await_notified("OrdermeshCreateOrderErrors", state="suppressed")
        watched.await_resolved("OrdermeshPostgresDown")
