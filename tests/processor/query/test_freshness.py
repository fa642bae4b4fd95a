"""How fresh the metrics are: as of a time only if all that Kafka had by then is counted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from processor.events.resume_positions import Position
from processor.query.freshness import LATEST_SAMPLES, MAX_SAMPLES, LogSamples, Sample
from runtime.kafka.offsets import PartitionOffsets

TOPIC, OTHER = UUID(int=1), UUID(int=2)
START = datetime(2026, 3, 11, 22, tzinfo=UTC)
A, B = ("order-events", 0), ("stock", 0)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def log(end_a: int, end_b: int = 0, start_a: int = 0) -> dict[tuple[str, int], PartitionOffsets]:
    return {A: PartitionOffsets(TOPIC, start_a, end_a), B: PartitionOffsets(TOPIC, 0, end_b)}


def positions(next_a: int, next_b: int = 0, topic_id: UUID = TOPIC) -> dict[tuple[str, int], Position]:
    return {A: Position(topic_id, next_a), B: Position(TOPIC, next_b)}


def samples(*ends: tuple[int, int]) -> LogSamples:
    made = LogSamples()
    for second, (end_a, end_b) in enumerate(ends):
        made.add(Sample(after(second), log(end_a, end_b)))
    return made


@pytest.mark.parametrize(
    ("counted", "as_of_second", "lag_events"),
    [((30, 9), 2, 0), ((29, 9), 1, 1), ((30, 8), 1, 1), ((10, 3), 0, 26), ((99, 99), 2, 0)],
)
def test_the_latest_sample_that_is_counted_in_every_partition_counts(
    counted: tuple[int, int], as_of_second: int, lag_events: int
) -> None:
    found = samples((10, 3), (20, 5), (30, 9)).freshness(positions(*counted), after(2.5))
    assert found.as_of_time.ToDatetime(UTC) == after(as_of_second)
    assert found.lag_ms == (2.5 - as_of_second) * 1000
    assert found.lag_events == lag_events


def test_nothing_is_known_without_a_sample_or_when_none_is_counted() -> None:
    for found in (LogSamples().freshness(positions(5), after(0)), samples((10, 0)).freshness(positions(5), after(1))):
        assert not found.HasField("as_of_time")
        assert not found.HasField("lag_ms")
        assert not found.HasField("lag_events")


def test_positions_of_a_topic_that_was_recreated_count_nothing() -> None:
    assert not samples((10, 0)).freshness(positions(99, topic_id=OTHER), after(1)).HasField("as_of_time")


def test_an_empty_log_and_one_that_retention_emptied_are_counted() -> None:
    assert samples((0, 0)).freshness({}, after(1)).lag_events == 0
    made = LogSamples()
    made.add(Sample(after(0), log(50, start_a=50)))
    assert made.freshness({}, after(1)).HasField("as_of_time")


def test_of_many_samples_the_latest_and_some_of_all_times_are_kept() -> None:
    made = LogSamples()
    for second in range(10_000):
        made.add(Sample(after(second), log(second)))
    assert len(made._samples) <= MAX_SAMPLES
    kept = [int((sample.at - START).total_seconds()) for sample in made._samples]
    assert kept[-LATEST_SAMPLES:] == list(range(10_000 - LATEST_SAMPLES, 10_000))
    assert kept[0] == 0
    behind = made.freshness(positions(5_000), after(10_000)).as_of_time.ToDatetime(UTC)
    assert after(0) <= behind <= after(5_000)
