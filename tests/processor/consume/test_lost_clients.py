"""Workers, samplers of the log and writers of dead letters whose client has lost Kafka have another one."""

from __future__ import annotations

import threading

import pytest
from lost_clients import NOBODY, lose_first
from processor_world import World, created
from waiting import await_true

from processor.consume import group_reader, topic_metadata
from processor.query import freshness
from processor.query.freshness import LogSamples, sample_log
from runtime.kafka.settings import KafkaSettings


def test_a_worker_whose_consumer_lost_kafka_counts_with_another_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    led_to = lose_first(monkeypatch, "consumer", seconds=3.0)
    monkeypatch.setattr(group_reader, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(topic_metadata, "PERIOD_SECONDS", 3.0)
    worker = world.worker()
    world.send([created(seed) for seed in range(5)])
    world.count_until(5, worker)
    assert led_to == [NOBODY, world.settings.kafka_bootstrap]


def test_a_worker_keeps_its_consumer_while_kafka_answers_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    led_to = lose_first(monkeypatch, "consumer")
    monkeypatch.setattr(group_reader, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(group_reader, "CHECK_TIMEOUT_SECONDS", 0.1)
    worker = world.worker(kafka_bootstrap=NOBODY)
    for _ in range(10):
        assert worker.run_once(0.05) == 0
    assert led_to == [NOBODY]


def test_the_ends_of_the_log_are_sampled_by_another_client(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_first(monkeypatch, "silent_admin")
    monkeypatch.setattr(freshness, "ASK_SECONDS", 1.0)
    samples, stop = LogSamples(), threading.Event()
    settings: KafkaSettings = world.settings
    sampling = threading.Thread(target=sample_log, args=(settings, samples, stop))
    sampling.start()
    try:
        await_true(lambda: samples._samples, "the log is sampled")
    finally:
        stop.set()
        sampling.join()
