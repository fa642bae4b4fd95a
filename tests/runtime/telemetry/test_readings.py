"""Readings hold for a limited time, and those of child processes are served by their supervisor."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from runtime.telemetry import metrics
from runtime.telemetry.metrics import readings, servers
from runtime.telemetry.metrics.component_metric import CHILD_INDEX
from runtime.telemetry.metrics.handover import MULTIPROCESS_FOLDER
from runtime.telemetry.metrics.readings import READINGS, Readings

LAG = {servers.CONSUMER_LAG: {("order-events", "0"): 3.0, ("order-events", "1"): 0.0}}


class Clock:
    """A monotonic clock that a test moves."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(readings, "time", made)
    return made


def shown(source: Readings) -> list[str]:
    """Return the lines of a scrape."""
    return [line for line in generate_latest(source).decode().splitlines() if not line.startswith("#")]  # type: ignore[arg-type]


def test_a_reading_is_shown_with_its_labels_and_vanishes_after_its_time(clock: Clock) -> None:
    held = Readings()
    assert shown(held) == []
    held.put("kafka", LAG, 5.0)
    lines = [
        'ordermesh_consumer_lag_events{partition="0",topic="order-events"} 3.0',
        'ordermesh_consumer_lag_events{partition="1",topic="order-events"} 0.0',
    ]
    assert shown(held) == lines
    clock.now += 4.9
    assert shown(held) == lines
    clock.now += 0.2
    assert shown(held) == []


def test_a_new_reading_replaces_the_last_of_its_source_and_no_other(clock: Clock) -> None:
    held = Readings()
    held.put("kafka", LAG, 5.0)
    held.put("outbox", {metrics.OUTBOX_DEAD: {(): 1.0}}, 5.0)
    held.put("kafka", {servers.CONSUMER_LAG: {("stock", "0"): 7.0}}, 5.0)
    assert sorted(shown(held)) == [
        'ordermesh_consumer_lag_events{partition="0",topic="stock"} 7.0',
        "ordermesh_outbox_dead_events 1.0",
    ]


def test_a_counter_that_is_read_is_shown_as_one() -> None:
    held = Readings()
    held.put("server", {servers.POSTGRES_DEADLOCKS: {("orders",): 2.0}}, 5.0)
    text = generate_latest(held).decode()  # type: ignore[arg-type]
    assert "# TYPE ordermesh_postgres_deadlocks_total counter" in text
    assert 'ordermesh_postgres_deadlocks_total{database="orders"} 2.0' in text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MULTIPROCESS_FOLDER, str(tmp_path))
    return tmp_path


def test_the_supervisor_shows_what_a_child_read(folder: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    with monkeypatch.context() as child:
        child.setenv(CHILD_INDEX, "0")
        Readings().put("outbox", {metrics.OUTBOX_DEAD: {(): 4.0}}, 5.0)
    assert [path.name for path in folder.iterdir()] == ["readings-0-outbox"]
    assert shown(Readings()) == ["ordermesh_outbox_dead_events 4.0"]
    clock.now += 5.1
    assert shown(Readings()) == []


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_file_that_is_no_reading_is_ignored(folder: Path, text: str) -> None:
    (folder / "readings-0-outbox").write_text(text)
    assert shown(Readings()) == []


def test_a_full_disk_ends_no_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHILD_INDEX, "0")
    monkeypatch.setenv(MULTIPROCESS_FOLDER, str(folder / "gone"))
    READINGS.put("outbox", {metrics.OUTBOX_DEAD: {(): 4.0}}, 5.0)
