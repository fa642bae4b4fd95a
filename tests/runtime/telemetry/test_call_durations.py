"""Times written in bulk are the times written one by one."""

import sys
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from runtime.telemetry.metrics.call_durations import CallDurations, observe_many


@given(st.lists(st.floats(min_value=0, max_value=100, allow_nan=False), max_size=50))
def test_many_values_count_as_each_of_them_would(values: list[float]) -> None:
    one, many = CollectorRegistry(), CollectorRegistry()
    single = Histogram("seconds", "Times.", registry=one, buckets=(0.1, 1, 10))
    bulk = Histogram("seconds", "Times.", registry=many, buckets=(0.1, 1, 10))
    for value in values:
        single.observe(value)
    observe_many(bulk, values)
    for suffix, labels in [("bucket", {"le": le}) for le in ("0.1", "1.0", "10.0", "+Inf")] + [("count", {})]:
        name = f"seconds_{suffix}"
        assert one.get_sample_value(name, labels) == many.get_sample_value(name, labels)


def test_no_time_is_lost_or_counted_twice_while_others_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of new methods come from other threads, each between any two steps of the one that writes."""
    written: Counter[str] = Counter()
    monkeypatch.setattr(
        "runtime.telemetry.metrics.call_durations.observe_many",
        lambda histogram, values: written.update({histogram: len(values)}),
    )
    monkeypatch.setattr("runtime.telemetry.metrics.RPC_DURATION", SimpleNamespace(labels=lambda method, _: method))
    times, threads, calls = CallDurations(), 4, 4000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        adding = [
            threading.Thread(target=lambda: [times.add(f"/{n % 500}", "OK", 0.1) for n in range(calls)])
            for _ in range(threads)
        ]
        for thread in adding:
            thread.start()
        while any(thread.is_alive() for thread in adding):
            times.flush()
        times.flush()
    finally:
        sys.setswitchinterval(interval)
    assert written == {f"{n}": threads * calls // 500 for n in range(500)}
