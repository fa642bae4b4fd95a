"""Cycles of objects, which errors leave, are collected though the collector runs rarely."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from runtime.process.garbage_collection import RareCollector


class Linked:
    """An object in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_cycles_are_collected_between_batches_when_it_is_time() -> None:
    garbage = RareCollector(collect_after_objects=1_000_000, every_seconds=0.0)
    lost = weakref.ref(Linked())
    garbage.collect()
    assert lost() is None


def test_before_it_is_time_nothing_is_collected() -> None:
    garbage = RareCollector(collect_after_objects=1_000_000, every_seconds=3600.0)
    lost = weakref.ref(Linked())
    garbage.collect()
    assert lost() is not None
